"""Balance allocated processors: the lowest allocated share after the placement.

Shared and dedicated ones are counted apart; of a server that has both, the scarcer kind counts.
"""

from collections.abc import Mapping

from liveupdate.planning.fleet import PROCESSOR, HostFacts
from liveupdate.planning.policies.policy import Policy, Score, percent


def score(host: HostFacts, resources: Mapping[str, int]) -> Score:
    kinds = [kind for kind in PROCESSOR if resources.get(kind)] or ["VCPU"]
    shares = {kind: host.share_after(kind, resources.get(kind, 0)) for kind in kinds}
    scarcer = max(kinds, key=lambda kind: shares[kind])
    return Score(shares[scarcer], f"{percent(shares[scarcer])} of {host.capacity(scarcer)} {scarcer} allocated with it")


POLICY = Policy("cpu_allocation", "Lowest allocated share of processors, with it", score)
