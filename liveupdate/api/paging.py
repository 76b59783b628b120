"""Lists: what may be asked of them, and the link to the next page."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from liveupdate.db.jobs import SORT_KEYS
from liveupdate.errors import Invalid
from liveupdate.states import JobState

_STATE = "|".join(JobState)


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:@-]{1,64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,64}$")]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,255}$")]
Limit = Annotated[int, Field(ge=1, le=1000)]
States = Annotated[str, StringConstraints(pattern=rf"^({_STATE})(,({_STATE}))*$")]


def sort_by(*keys: str) -> StringConstraints:
    return StringConstraints(pattern=rf"^({'|'.join(keys)})(:(asc|desc))?$")


def order(sort: str) -> tuple[str, bool]:
    """(key, descending)"""
    key, _, direction = sort.partition(":")
    return key, direction == "desc"


class Pages(BaseModel):
    """``sort``: newest first, where it does not say; with changes-since by updated_at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sort: Annotated[str, sort_by(*SORT_KEYS)] | None = None
    marker: UUID | None = None
    limit: Limit = 100
    changes_since: Annotated[datetime, AfterValidator(_utc)] | None = Field(default=None, alias="changes-since")

    def page(self) -> dict[str, Any]:
        """Arguments of db.jobs.page."""
        return {
            "filters": self._filters(),
            "sort": self._sort(),
            "marker": str(self.marker) if self.marker else None,
            "changes_since": self.changes_since,
            "limit": self.limit,
        }

    def _filters(self) -> dict[str, Any]:
        given = self.model_dump(exclude_none=True, exclude={*Pages.model_fields, "all_projects"})
        found = {name: str(value) if isinstance(value, UUID) else value for name, value in given.items()}
        return found | ({"state": tuple(found["state"].split(","))} if "state" in found else {})

    def _sort(self) -> tuple[str, bool]:
        """(key, descending)"""
        if self.sort is None:
            return ("updated_at", False) if self.changes_since else ("created_at", True)
        return order(self.sort)


class PreviewQuery(Pages):
    """``state``: one or more, joined by commas."""

    state: States | None = None
    method: Name | None = None
    server_id: Id | None = None
    server_name: Words | None = None
    user_id: Id | None = None


class JobQuery(PreviewQuery):
    step: Name | None = None
    approval: Annotated[str, StringConstraints(pattern=r"^(needed|given)$")] | None = None
    paused: bool | None = None
    preview_id: UUID | None = None
    project_id: Id | None = None
    all_projects: bool = False


class FallbackQuery(Pages):
    server_id: Id | None = None
    all_projects: bool = False


def links(request: Request, items: Sequence[Any], limit: int, last: str) -> list[dict[str, str]]:
    """The next page's link, if this page is full. ``last``: marker of its last item."""
    if len(items) < limit:
        return []
    given: Mapping[str, str] = {**request.query_params, "marker": last}
    return [{"rel": "next", "href": f"{request.url.path}?{urlencode(given)}"}]


def known_query(request: Request) -> None:
    """Every route says what may be asked of it: anything else is refused, not passed over."""
    asked = request.scope["route"].dependant.query_params
    known = {name for field in asked for name in _names(field)}
    if unknown := sorted(set(request.query_params) - known):
        told = ", ".join(unknown)[:200]
        raise Invalid(f"unknown in the query: {told}", remedy=f"known: {', '.join(sorted(known)) or 'nothing'}")


def _names(field: Any) -> list[str]:
    kind = field.field_info.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [each.alias or name for name, each in kind.model_fields.items()]
    return [field.alias]
