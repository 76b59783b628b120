"""Hosts: which there are, what runs on them, and what their aggregates say of them. Service user only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud.errors import calling

_DEFAULT_ZONE = "nova"
_PAGE = 1000


@dataclass(frozen=True)
class Host:
    """A host that runs nova-compute; ``servers`` are the ids of those on it, where they were asked for.

    ``aggregates`` are the metadata of the aggregates it is in, key → every value that is given to it.
    ``provider_id`` is what Placement knows it by.
    """

    name: str
    zone: str = _DEFAULT_ZONE
    up: bool = True
    enabled: bool = True
    why_disabled: str = ""
    aggregates: Mapping[str, frozenset[str]] = field(default_factory=dict)
    provider_id: str = ""
    servers: tuple[str, ...] = ()


class Hosts:
    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def list(self, with_servers: bool = False) -> list[Host]:
        """``with_servers`` costs Nova a query for every host; a list of all servers would cost it still more."""
        with calling("list the hosts"):
            hypervisors = {h["service"]["host"]: h for h in self._hypervisors(with_servers)}
            aggregates = list(self._compute.aggregates())
        return [_host(h, [a for a in aggregates if name in (a.hosts or ())]) for name, h in hypervisors.items()]

    def _hypervisors(self, with_servers: bool) -> Iterator[Mapping[str, Any]]:
        query = {"with_servers": str(with_servers).lower(), "limit": str(_PAGE)}
        while True:
            answer = self._compute.get("/os-hypervisors/detail", params=query, microversion="2.96")
            raise_from_response(answer)
            page = answer.json()["hypervisors"]
            yield from page
            if len(page) < _PAGE:
                return
            query["marker"] = page[-1]["id"]


def _host(hypervisor: Mapping[str, Any], aggregates: list[Any]) -> Host:
    metadata: dict[str, frozenset[str]] = {}
    for aggregate in aggregates:
        for key, value in (aggregate.metadata or {}).items():
            metadata[key] = metadata.get(key, frozenset()) | {str(value)}
    service = hypervisor["service"]
    return Host(
        name=service["host"],
        zone=next(iter(sorted(metadata.get("availability_zone", ()))), _DEFAULT_ZONE),
        up=hypervisor["state"] == "up",
        enabled=hypervisor["status"] == "enabled",
        why_disabled=service.get("disabled_reason") or "",
        aggregates=metadata,
        provider_id=hypervisor["id"],
        servers=tuple(sorted(s["uuid"] for s in hypervisor.get("servers", ()))),
    )
