"""Lists: what may be asked of them, and the link to the next page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from liveupdate.errors import Invalid

MAXIMUM = 1000


@dataclass(frozen=True)
class Query:
    filters: Mapping[str, str]
    sort: tuple[str, bool]
    marker: str | None
    limit: int
    changes_since: datetime | None
    all_projects: bool


def parse(given: Mapping[str, str], *, filters: Sequence[str], sort_keys: Sequence[str]) -> Query:
    """Raises Invalid for anything unknown or out of range."""
    known = {"limit", "marker", "sort", "changes-since", "all_projects", *filters}
    if unknown := sorted(set(given) - known):
        raise Invalid(f"unknown filter: {', '.join(unknown)[:200]}", remedy=f"known: {', '.join(sorted(known))}")
    return Query(
        filters={name: given[name] for name in filters if name in given},
        sort=_sort(given.get("sort", "created_at:desc"), sort_keys),
        marker=given.get("marker"),
        limit=_limit(given.get("limit", "100")),
        changes_since=_time(given["changes-since"]) if "changes-since" in given else None,
        all_projects=given.get("all_projects", "false").lower() == "true",
    )


def _sort(given: str, sort_keys: Sequence[str]) -> tuple[str, bool]:
    key, _, direction = given.partition(":")
    if key not in sort_keys or direction not in ("", "asc", "desc"):
        raise Invalid(f"cannot sort by {given[:60]!r}", remedy=f"one of {', '.join(sort_keys)}, then :asc or :desc")
    return key, direction == "desc"


def _limit(given: str) -> int:
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= MAXIMUM:
        raise Invalid(f"limit must be 1 to {MAXIMUM}")
    return int(given)


def _time(given: str) -> datetime:
    try:
        time = datetime.fromisoformat(given)
    except ValueError:
        raise Invalid("changes-since must be a time in ISO 8601") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def links(path: str, given: Mapping[str, str], items: Sequence[Any], limit: int, last: str) -> list[dict[str, str]]:
    """The next page's link, if this page is full. ``last``: marker of its last item."""
    if len(items) < limit:
        return []
    return [{"rel": "next", "href": f"{path}?{urlencode({**given, 'marker': last})}"}]
