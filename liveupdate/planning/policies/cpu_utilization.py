"""Balance busy processors: the lowest mean of the last 15 minutes."""

from collections.abc import Mapping

from liveupdate.model import NoData
from liveupdate.planning.fleet import HostFacts
from liveupdate.planning.policies.policy import Policy, Score, percent


def score(host: HostFacts, resources: Mapping[str, int]) -> Score | NoData:
    seen = host.utilization
    if isinstance(seen, NoData):
        return seen
    return Score(seen.cpu, f"{percent(seen.cpu)} of its processors busy in the last 15 minutes")


POLICY = Policy("cpu_utilization", "Least busy processors in the last 15 minutes", score, measured=True)
