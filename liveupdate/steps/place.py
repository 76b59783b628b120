"""Choose the surrogate's host by its host group's policy, and reserve the room there.

The room is held in our database until Nova has taken it (provision), so that two jobs do not both count on the last of
it. If all that is missing is held by other jobs, it waits: they may give it back; if nothing is, and the group allows
it, neighbours are moved away (making_room.py). Undo: give back what is held, and stop a move that is under way;
neighbours that have moved stay where they are.
"""

from collections.abc import Mapping
from typing import Any

from liveupdate.errors import Failed, Refused, Retry
from liveupdate.model import Held, Json, SameHost
from liveupdate.planning.placement import Choice
from liveupdate.steps.fleet_facts import Outlook, Wish, look
from liveupdate.steps.making_room import make_room, stop_moving, wait_for_move
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

#: Seconds that room is held: from the choice to Nova's claim it is much less.
HOLD = 600.0
#: Looks at the cloud in one call, when other jobs take room at the same time.
_LOOKS = 5


def probe(context: StepContext) -> Probe:
    """Facts grow old: it is judged anew, and what was held is held again or replaced."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    return reserve(context)


def undo(context: StepContext) -> None:
    context.reservations.release()
    stop_moving(context)


def reserve(context: StepContext) -> dict[str, Any]:
    """Choose and reserve: {"host", "other_host", "hints", "placement"}, the last one for people.

    Raises Failed if no host can take it, Retry if one could without what other jobs hold.
    """
    wait_for_move(context)
    for _ in range(_LOOKS):
        held = context.reservations.held()
        outlook = outlook_of(context, held)
        choice = outlook.choice
        if choice.held_back:
            raise Retry(5.0, f"waits for room that other jobs hold: {choice.why_not()}", counts=False)
        if not choice.hosts:
            raise make_room(context, outlook) if outlook.group.rules.make_room else _no_room(choice)
        best = choice.hosts[0]
        mark = held.get(best, Held()).mark
        if context.reservations.take(best, outlook.need.resources, outlook.room[best], mark, HOLD):
            return {
                "host": best,
                "other_host": choice.other_host,
                "hints": dict(choice.hints),
                "placement": choice.summary(),
            }
        context.checkpoint()
    raise Retry(0.5, "other jobs take room at the same time", counts=False)


def outlook_of(context: StepContext, held: Mapping[str, Held]) -> Outlook:
    """Every host judged for this job's server. Raises Failed for what is wrong with the server or the request."""
    cloud, parameters = context.service_cloud(), context.job.parameters
    server = cloud.servers.get(context.job.server_id)
    if server is None:
        raise Failed("the server is gone", code="live-update.server.gone", remedy="see who deleted it")
    mine = context.reservations.mine()
    wish = Wish(
        group=parameters.get("host_group") or "",
        same_host=SameHost(parameters.get("same_host", SameHost.LAST)),
        refused=mine.refused if mine else {},
    )
    try:
        return look(cloud, context.metrics(), held, server, wish)
    except Refused as error:
        raise Failed(error.detail, user_fault=True, code=error.code, remedy=error.remedy) from error


def _no_room(choice: Choice) -> Failed:
    return Failed(
        f"no host of group {choice.group} can take the surrogate: {choice.refusal()}",
        code="live-update.placement.no-room",
        remedy="free or add a host of the flavor's kind, or let the group make room",
    )


STEP = Step("place", "Choose a host and reserve room there", probe, apply, undo, timeout=7200)
