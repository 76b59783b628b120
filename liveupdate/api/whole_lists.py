"""Lists that are read whole, since others hold them (Glance, Nova, the code): filtered, sorted and paged here.

They answer as those of paging.py do.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from liveupdate.api import paging
from liveupdate.api.paging import Limit, Words, order, sort_by
from liveupdate.errors import Invalid


class WholeQuery(BaseModel):
    """``sort``: as each list says where it is not given. The other fields of a query are filters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sort: Annotated[str, sort_by("name")] | None = None
    marker: Words | None = None
    limit: Limit = 100

    def page(self, views: Sequence[Mapping[str, Any]], identity: str) -> list[Mapping[str, Any]]:
        """Of what is shown; ``identity``: the field that markers are of. Raises Invalid for a marker that is none."""
        wanted = self.model_dump(exclude_none=True, exclude=set(WholeQuery.model_fields))
        found = [view for view in views if all(view[name] == value for name, value in wanted.items())]
        if self.sort:
            key, descending = order(self.sort)
            found.sort(key=lambda view: (view[key] or "", view[identity]), reverse=descending)
        if self.marker is None:
            return found[: self.limit]
        after = next((n for n, view in enumerate(found, 1) if view[identity] == self.marker), None)
        if after is None:
            told = f"marker {self.marker} is not in this list"
            raise Invalid(told, code="live-update.request.marker", remedy="start again")
        return found[after : after + self.limit]


class HostGroupQuery(WholeQuery):
    policy: Words | None = None


class ImageQuery(WholeQuery):
    sort: Annotated[str, sort_by("name", "captured_at")] | None = None
    name: Words | None = None
    status: Words | None = None
    kernel: Words | None = None
    source_server_id: Words | None = None


def links(request: Request, shown: Sequence[Mapping[str, Any]], limit: int, identity: str) -> list[dict[str, str]]:
    return paging.links(request, shown, limit, shown[-1][identity] if shown else "")
