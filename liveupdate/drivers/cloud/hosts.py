"""Hosts: which there are, and what their aggregates say of them. Service user only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liveupdate.drivers.cloud.errors import calling

_DEFAULT_ZONE = "nova"


@dataclass(frozen=True)
class Host:
    """A host that runs nova-compute; ``usable`` if it is up and enabled.

    ``aggregates`` are the metadata of the aggregates it is in, key → every value that is given to it.
    """

    name: str
    zone: str
    usable: bool
    aggregates: Mapping[str, frozenset[str]]


class Hosts:
    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def list(self) -> list[Host]:
        with calling("list the hosts"):
            services = list(self._compute.services(binary="nova-compute"))
            aggregates = list(self._compute.aggregates())
        return [_host(s, [a for a in aggregates if s.host in (a.hosts or ())]) for s in services]


def _host(service: Any, aggregates: list[Any]) -> Host:
    metadata: dict[str, frozenset[str]] = {}
    for aggregate in aggregates:
        for key, value in (aggregate.metadata or {}).items():
            metadata[key] = metadata.get(key, frozenset()) | {str(value)}
    zone = next(iter(sorted(metadata.get("availability_zone", ()))), _DEFAULT_ZONE)
    usable = service.state == "up" and service.status == "enabled" and not service.is_forced_down
    return Host(service.host, zone, usable, metadata)
