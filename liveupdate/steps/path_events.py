"""Tells, once each, of the paths that a guest has lost or has back, as its program has seen it."""

from typing import Any

from liveupdate.errors import GuestError
from liveupdate.planning import inside
from liveupdate.steps.protocol import StepContext

#: The steps that tell, and keep what they have told in their results, in this order.
_TELLING = ("pre_copy", "hold", "clean_up")

#: Of one guest; its program remembers no more.
_MOST = 200

PathEvents = dict[str, list[dict[str, Any]]]


def path_events(context: StepContext, *sides: str) -> PathEvents:
    """By side, all that has been told so far: of ``sides`` anew, of others as it was. A silent guest tells nothing."""
    told: PathEvents = {}
    if not inside.volumes(context.result("preflight")):
        return told
    for step in _TELLING:
        told |= context.result(step).get("path_events") or {}
    for side in sides:
        known = told[side] = list(told.get(side, ()))
        for event in _seen(context, side):
            if len(known) < _MOST and event not in known:
                context.event(f"path.{event['event']}", on=side, portal=event["portal"], target=event["target"])
                known.append(event)
    return told


def _seen(context: StepContext, side: str) -> list[dict[str, Any]]:
    try:
        events = context.guest(side).agent().call("status", timeout=15).get("path_events") or []
        return [
            {
                "event": "lost" if event["event"] == "lost" else "back",
                "portal": str(event["portal"])[:100],
                "target": str(event["target"])[:300],
                "at": float(event["at"]),
            }
            for event in events
        ]
    except (GuestError, KeyError, TypeError, ValueError):
        return []
