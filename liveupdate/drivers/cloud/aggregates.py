"""Host aggregates and their metadata. Service user only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud.errors import calling


@dataclass(frozen=True)
class Aggregate:
    id: int
    name: str
    hosts: tuple[str, ...]
    metadata: Mapping[str, str]


class Aggregates:
    """Raises Failed with code live-update.cloud.not-found for an aggregate or host that is not there."""

    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def list(self) -> list[Aggregate]:
        with calling("list the host aggregates"):
            return [
                Aggregate(a.id, a.name, tuple(a.hosts or ()), {k: str(v) for k, v in (a.metadata or {}).items()})
                for a in self._compute.aggregates()
            ]

    def create(self, name: str) -> int:
        """Its id. Raises Retry with code live-update.cloud.conflict if there is one of this name."""
        with calling(f"create host aggregate {name}"):
            return int(self._compute.create_aggregate(name=name).id)

    def set_metadata(self, aggregate_id: int, metadata: Mapping[str, str]) -> None:
        """Set these; others stay."""
        with calling(f"set the metadata of host aggregate {aggregate_id}"):
            self._compute.set_aggregate_metadata(aggregate_id, dict(metadata))

    def add_host(self, aggregate_id: int, host: str) -> None:
        """Nothing happens if it is in it already."""
        self._act(aggregate_id, "add_host", host)

    def remove_host(self, aggregate_id: int, host: str) -> None:
        self._act(aggregate_id, "remove_host", host)

    def delete(self, aggregate_id: int) -> None:
        """It must have no hosts."""
        with calling(f"delete host aggregate {aggregate_id}"):
            self._compute.delete_aggregate(aggregate_id, ignore_missing=True)

    def _act(self, aggregate_id: int, action: str, host: str) -> None:
        with calling(f"{action.replace('_', ' ')} {host} (host aggregate {aggregate_id})"):
            answer = self._compute.post(
                f"/os-aggregates/{aggregate_id}/action", json={action: {"host": host}}, microversion="2.96"
            )
            raise_from_response(answer)
