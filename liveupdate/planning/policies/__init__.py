"""The placement policies: one file each; a new one is a file and its name in the tuple below."""

from collections.abc import Mapping

from liveupdate.planning.policies import (
    cpu_allocation,
    cpu_utilization,
    memory_allocation,
    memory_utilization,
    packing,
    striping,
)
from liveupdate.planning.policies.policy import Policy, Score

__all__ = ["DEFAULT", "POLICIES", "Policy", "Score"]

_MODULES = (striping, packing, cpu_allocation, memory_allocation, cpu_utilization, memory_utilization)

POLICIES: Mapping[str, Policy] = {module.POLICY.name: module.POLICY for module in _MODULES}
DEFAULT = striping.POLICY.name
