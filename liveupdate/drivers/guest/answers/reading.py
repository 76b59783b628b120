"""Reads what the in-guest program answers: parse a line, then take its result or its error."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from liveupdate.drivers.guest.answers import forms, machine, moving
from liveupdate.errors import GuestError
from liveupdate.plain import plain

#: Command → what it tells; of others nobody reads the answer.
ANSWERS: dict[str, type] = {
    "inspect": machine.Inspection,
    "trial": machine.Trial,
    "storage": machine.Storage,
    "guard_install": machine.Guarded,
    "initiator_own": machine.Initiator,
    "storage_connect": machine.Connected,
    "stale": machine.Stale,
    "provenance": machine.Provenance,
    "status": moving.Status,
    "keygen": moving.Key,
    "listen": moving.Listening,
    "connect": moving.Linked,
    "precopy": moving.CopyRound,
    "probe": moving.Health,
    "open": moving.Opened,
    "hand_back": moving.HandedBack,
    "resume": moving.Resumed,
}
_READERS: dict[str, TypeAdapter[Any]] = {command: TypeAdapter(kind) for command, kind in ANSWERS.items()}


def parse(line: str | bytes) -> dict[str, Any]:
    """One object of JSON. Raises GuestError, whatever the bytes are."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        raise _bad("no JSON") from None
    if not isinstance(told, dict):
        raise _bad("no object")
    return told


def result(command: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the command gave, as small JSON: the fields of its value above. Raises the GuestError that it ended with."""
    if "error" in answer:
        raise _failure(answer["error"])
    reader = _READERS.get(command)
    if reader is None:
        return {}
    try:
        told: dict[str, Any] = reader.dump_python(reader.validate_python(answer.get("result")), mode="json")
    except ValidationError as error:
        # where it is wrong, not what it says there
        places = {".".join(str(part) for part in each["loc"])[:100] for each in error.errors()[:3]}
        raise _bad(f"{command}: {', '.join(sorted(places)) or 'no object'}") from None
    return told


def _failure(told: Any) -> GuestError:
    known = told if isinstance(told, dict) else {}
    code, detail, remedy = (each if isinstance(each := known.get(k), str) else "" for k in ("code", "detail", "remedy"))
    return GuestError(plain(detail, 2000), code=forms.code(code), remedy=plain(remedy, 2000))


def _bad(what: str) -> GuestError:
    return GuestError(
        f"the guest gave an answer that the in-guest program would not give: {what}",
        code="live-update.guest.bad-answer",
        remedy="find out what answers there instead of it (unit liveupdate-agent), then try again",
    )
