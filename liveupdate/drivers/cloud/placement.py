"""Placement: who has how much, and who has room. Service user only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud.errors import calling

_VERSION = "1.39"


@dataclass(frozen=True)
class Amount:
    """Of one resource class; the capacity is ``int((total - reserved) * ratio)``."""

    total: int
    reserved: int
    ratio: float
    used: int


@dataclass(frozen=True)
class Stock:
    """What a hypervisor and all that Placement keeps below it (NUMA cells, devices) have together."""

    amounts: Mapping[str, tuple[Amount, ...]]
    traits: frozenset[str]


class Placement:
    def __init__(self, placement: Any) -> None:
        self._placement = placement

    def offers(self, query: Mapping[str, str]) -> dict[str, Stock]:
        """Hypervisor's provider id → its stock, of all that could take what ``query`` asks for now.

        ``query``: of GET /allocation_candidates. The capacities are as Placement has worked them out.
        """
        with calling("ask Placement for room"):
            summaries = self._get("/allocation_candidates", query)["provider_summaries"]
        trees: dict[str, list[Mapping[str, Any]]] = {}
        for summary in summaries.values():
            trees.setdefault(summary["root_provider_uuid"], []).append(summary)
        return {root: _summed(tree) for root, tree in trees.items()}

    def stock(self, provider_id: str) -> Stock:
        """Of one hypervisor, also when it is full."""
        amounts: dict[str, tuple[Amount, ...]] = {}
        traits: set[str] = set()
        with calling(f"read provider {provider_id} of Placement"):
            tree = self._get("/resource_providers", {"in_tree": provider_id})["resource_providers"]
            for path in (f"/resource_providers/{provider['uuid']}" for provider in tree):
                used = self._get(f"{path}/usages")["usages"]
                for name, told in self._get(f"{path}/inventories")["inventories"].items():
                    amount = Amount(told["total"], told["reserved"], told["allocation_ratio"], used.get(name, 0))
                    amounts[name] = (*amounts.get(name, ()), amount)
                traits |= set(self._get(f"{path}/traits")["traits"])
        return Stock(amounts, frozenset(traits))

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        answer = self._placement.get(path, params=dict(query or {}), microversion=_VERSION)
        raise_from_response(answer)
        return answer.json()


def _summed(tree: Iterable[Mapping[str, Any]]) -> Stock:
    amounts: dict[str, tuple[Amount, ...]] = {}
    traits: set[str] = set()
    for summary in tree:
        for name, told in summary["resources"].items():
            amounts[name] = (*amounts.get(name, ()), Amount(told["capacity"], 0, 1.0, told["used"]))
        traits |= set(summary["traits"])
    return Stock(amounts, frozenset(traits))
