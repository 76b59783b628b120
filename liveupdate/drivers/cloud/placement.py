"""Placement: who has room. Service user only."""

from collections.abc import Mapping, Sequence
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud.errors import calling


class Placement:
    def __init__(self, placement: Any) -> None:
        self._placement = placement

    def candidates(self, resources: Mapping[str, int], required: Sequence[str] = (), limit: int = 1000) -> list[str]:
        """Names of the root providers (hypervisors) that could take ``resources`` now, with ``required`` traits."""
        query = {
            "resources": ",".join(f"{name}:{amount}" for name, amount in sorted(resources.items()) if amount),
            "required": ",".join((*required, "!COMPUTE_STATUS_DISABLED")),
            "limit": str(limit),
        }
        with calling("ask Placement for room"):
            answer = self._placement.get("/allocation_candidates", params=query, microversion="1.39")
            raise_from_response(answer)
            roots = {summary["root_provider_uuid"]: None for summary in answer.json()["provider_summaries"].values()}
            names = {p.id: p.name for p in self._placement.resource_providers()}
        return [names[root] for root in roots if root in names]
