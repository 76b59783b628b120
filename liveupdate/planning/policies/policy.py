"""What a placement policy is: a pure function from a host's facts and what is asked for to a score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from liveupdate.model import NoData
from liveupdate.planning.fleet import HostFacts


@dataclass(frozen=True)
class Score:
    """The host with the lowest ``value`` is the best; ``told`` says it to a person."""

    value: Fraction | float
    told: str


@dataclass(frozen=True)
class Policy:
    """``score(host, resources)``: NoData where it would have to make a number up.

    ``measured`` tells that it lives on a metrics source, ``counted`` that it counts the servers of hosts.
    """

    name: str
    title: str
    score: Callable[[HostFacts, Mapping[str, int]], Score | NoData]
    measured: bool = False
    counted: bool = False


def percent(share: Fraction | float) -> str:
    return f"{float(share) * 100:.1f} %"
