"""What is known of hosts at one moment, as placement judges it. Frozen, no I/O; made by steps/fleet_facts.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from liveupdate.model import NoData, Utilization

#: Placement's classes of what a host can be full of by use, rather than by holding a device.
PROCESSOR = ("VCPU", "PCPU")
MEMORY = "MEMORY_MB"
NO_SOURCE = NoData("no metrics source is configured")


@dataclass(frozen=True)
class Inventory:
    """Of one resource class on one host, as Placement tells it; ``used`` by what is allocated now."""

    total: int
    reserved: int = 0
    ratio: float = 1.0
    used: int = 0

    @property
    def capacity(self) -> int:
        """How Placement works it out."""
        return int((self.total - self.reserved) * self.ratio)


@dataclass(frozen=True)
class HostFacts:
    """``held`` is what other jobs have reserved here and Nova does not know of yet.

    ``servers`` counts those that other jobs are about to put here, too; those that are here only where a policy counts
    them. ``groups`` has one name, unless somebody has put the host into two host groups behind our back.
    """

    name: str
    zone: str = "nova"
    up: bool = True
    enabled: bool = True
    why_disabled: str = ""
    aggregates: Mapping[str, frozenset[str]] = field(default_factory=dict)
    groups: tuple[str, ...] = ("default",)
    servers: int = 0
    inventories: Mapping[str, Inventory] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    #: Placement offers an allocation for what is asked for.
    offered: bool = True
    held: Mapping[str, int] = field(default_factory=dict)
    utilization: Utilization | NoData = NO_SOURCE

    def used(self, resource: str) -> int:
        """Allocated or held by other jobs."""
        there = self.inventories.get(resource)
        return (there.used if there else 0) + self.held.get(resource, 0)

    def capacity(self, resource: str) -> int:
        there = self.inventories.get(resource)
        return there.capacity if there else 0

    def free(self, resource: str) -> int:
        return self.capacity(resource) - self.used(resource)

    def share_after(self, resource: str, asked: int) -> Fraction:
        """What would be allocated of the capacity with ``asked`` more; 1 where there is no capacity at all."""
        capacity = self.capacity(resource)
        return Fraction(self.used(resource) + asked, capacity) if capacity > 0 else Fraction(1)
