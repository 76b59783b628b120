"""Balance allocated processors: the lowest allocated share after the placement."""

from collections.abc import Mapping

from liveupdate.planning.fleet import HostFacts, processor
from liveupdate.planning.policies.policy import Policy, Score, percent


def score(host: HostFacts, resources: Mapping[str, int]) -> Score:
    kind = processor(resources)
    share = host.share_after(kind, resources.get(kind, 0))
    return Score(share, f"{percent(share)} of {host.capacity(kind)} {kind} allocated with it")


POLICY = Policy("cpu_allocation", "Lowest allocated share of processors, with it", score)
