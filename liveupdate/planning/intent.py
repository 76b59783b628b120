"""What a server's owner wants of updates, said in its metadata or tags, which are hostile until looked at. Pure.

liveupdate:action = move (memory and connections move, or nothing is done), restart (units are restarted, none is
moved), notify (go on, but tell), never; liveupdate:blackout_budget = seconds. A tag has both: liveupdate:action=never;
metadata goes before tags. The owner's word goes before the request.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import Any

from liveupdate.model import Finding, Handover, Verdict
from liveupdate.planning.checks import check

ACTION = "liveupdate:action"
BUDGET = "liveupdate:blackout_budget"
Metadata = Mapping[str, str]


class Action(StrEnum):
    MOVE = "move"
    RESTART = "restart"
    NOTIFY = "notify"
    NEVER = "never"


def words(server: Mapping[str, Any]) -> dict[str, str]:
    """The server's metadata, with what its tags say besides. Tags that contradict each other say nothing sensible."""
    said: dict[str, list[str]] = {}
    for tag in server.get("tags", ()):
        key, is_word, value = tag.partition("=")
        if is_word and key in (ACTION, BUDGET):
            said.setdefault(key, []).append(value)
    return {**{key: " and ".join(values) for key, values in said.items()}, **server.get("metadata", {})}


def action(metadata: Metadata) -> Action | None:
    """None: the owner says nothing, or nothing that can be understood."""
    told = metadata.get(ACTION, "")
    return Action(told) if told in tuple(Action) else None


def judge(metadata: Metadata) -> list[Finding]:
    told, wanted = metadata.get(ACTION), action(metadata)
    ask = f"ask the server's owner, who may change its metadata or tag {ACTION}"
    findings = [
        check(
            "owner.action",
            told is None or wanted is not None,
            f"its metadata or tag {ACTION} is none of {', '.join(Action)}",
            f"set {ACTION} to one of these, or remove it",
        ),
        check("owner.never", wanted != Action.NEVER, "its owner does not want it to be updated", ask),
        check(
            "owner.budget",
            BUDGET not in metadata or _seconds(metadata) is not None,
            f"its metadata or tag {BUDGET} is no number of seconds above 0",
            f"set {BUDGET} to a number of seconds, or remove it",
        ),
    ]
    if wanted == Action.NOTIFY:
        findings.append(
            Finding("owner.notify", Verdict.WARN, "its owner wants to be told of updates", "tell its owner")
        )
    return findings


def asked(metadata: Metadata, names: Sequence[str], wanted: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The request's units, with the owner's wish that none is moved."""
    if action(metadata) != Action.RESTART:
        return list(wanted)
    said = {unit["name"]: unit for unit in wanted}
    units = [{"name": name, **said.pop(name, {})} for name in names]
    moved = (None, Handover.MOVE)
    chosen = [u | {"handover": str(Handover.RESTART)} if u.get("handover") in moved else u for u in units]
    return [*chosen, *said.values()]


def not_moved(metadata: Metadata, decided: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Of an owner who wants that all is moved: a block for each unit that would be restarted."""
    if action(metadata) != Action.MOVE:
        return []
    return [
        check(
            "owner.move",
            unit["handover"] != Handover.RESTART,
            f"its owner wants it to be moved, and it would be restarted: {unit['reason'] or 'it cannot be moved'}",
            f"see to what keeps it from being moved, or set {ACTION} to notify",
            subject=str(unit["name"]),
        )
        for unit in decided
    ]


def budget(metadata: Metadata, parameters: Mapping[str, Any]) -> float | None:
    """Seconds of blackout that are allowed: the request's or the owner's, whichever is less; None: neither says."""
    said = (parameters.get("blackout_budget_seconds"), _seconds(metadata))
    return min((float(value) for value in said if value is not None), default=None)


def _seconds(metadata: Metadata) -> float | None:
    try:
        seconds = float(metadata.get(BUDGET, ""))
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds > 0 else None
