"""Random fleets for the policies' tests, and a plain host."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from liveupdate.model import NoData, Utilization
from liveupdate.planning.fleet import HostFacts, Inventory

RESOURCES = {"VCPU": 2, "MEMORY_MB": 1024}
NO_DATA = NoData("its last sample is 400 s old")


def host(name: str, **changes: Any) -> HostFacts:
    """An empty host with 64 VCPU and 64 GiB, of the default group."""
    inventories = {"VCPU": Inventory(16, 0, 4.0), "MEMORY_MB": Inventory(65536)}
    return replace(HostFacts(name, inventories=inventories), **changes)


def inventory(total: st.SearchStrategy[int], ratios: tuple[float, ...]) -> st.SearchStrategy[Inventory]:
    def with_use(parts: tuple[int, int, float, int]) -> Inventory:
        size, reserved, ratio, share = parts
        made = Inventory(size, min(reserved, size - 1), ratio)
        return replace(made, used=made.capacity * share // 100)

    return st.tuples(total, st.integers(0, 4096), st.sampled_from(ratios), st.integers(0, 110)).map(with_use)


shares = st.integers(0, 1000).map(lambda n: n / 1000)
utilizations = st.builds(Utilization, shares, shares)


def hosts(utilization: st.SearchStrategy[Utilization | NoData] = utilizations) -> st.SearchStrategy[HostFacts]:
    return st.builds(
        HostFacts,
        name=st.integers(1, 40).map(lambda n: f"host{n:02d}"),
        up=st.sampled_from([True, True, True, False]),
        enabled=st.sampled_from([True, True, True, False]),
        servers=st.integers(0, 6),
        inventories=st.fixed_dictionaries(
            {
                "VCPU": inventory(st.integers(1, 64), (1.0, 1.5, 4.0, 16.0)),
                "MEMORY_MB": inventory(st.integers(512, 65536), (1.0, 1.5)),
            }
        ),
        held=st.sampled_from([{}, {}, {"VCPU": 2, "MEMORY_MB": 1024}]),
        utilization=utilization,
    )


def fleets(utilization: st.SearchStrategy[Utilization | NoData] = utilizations) -> st.SearchStrategy[list[HostFacts]]:
    return st.lists(hosts(utilization), min_size=1, max_size=8, unique_by=lambda h: h.name)
