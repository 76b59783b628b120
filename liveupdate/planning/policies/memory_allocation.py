"""Balance allocated memory: the lowest allocated share after the placement."""

from collections.abc import Mapping

from liveupdate.planning.fleet import MEMORY, HostFacts
from liveupdate.planning.policies.policy import Policy, Score, percent


def score(host: HostFacts, resources: Mapping[str, int]) -> Score:
    share = host.share_after(MEMORY, resources.get(MEMORY, 0))
    return Score(share, f"{percent(share)} of {host.capacity(MEMORY)} MiB allocated with it")


POLICY = Policy("memory_allocation", "Lowest allocated share of memory, with it", score)
