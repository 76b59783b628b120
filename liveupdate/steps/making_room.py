"""Move neighbours away for the twin, where the host group allows it: one at a time, each planned on what is there then.

A move is a line of the ledger: kept once the neighbour has moved, which it stays; deleted if it did not. One that takes
too long is stopped; one that fails is not tried again, and the rest is planned without it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from liveupdate.errors import Failed, Retry
from liveupdate.model import Resource
from liveupdate.planning.room import MOST, RoomPlan, plan
from liveupdate.states import ResourceState
from liveupdate.steps.fleet_facts import Outlook, neighbours
from liveupdate.steps.protocol import StepContext
from liveupdate.steps.resources import take_away, watch_server

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud

KIND = "migration"
#: One move takes no longer.
PATIENCE = timedelta(minutes=10)
#: Moves that may fail, or be overtaken by what others do, before it is given up.
_TRIES = 2 * MOST


def make_room(context: StepContext, outlook: Outlook) -> Failed | Retry:
    """Begin the next move: Retry says which; Failed, with the numbers, if there is none that helps."""
    past = context.ledger.past(KIND)
    way = plan(outlook.need, outlook.facts, outlook.group, neighbours(context.service_cloud(), outlook, _stuck(past)))
    if not way.moves or len(past) >= _TRIES:
        why = way.why_not or outlook.choice.refusal() if not way.moves else f"{len(past)} moves have not helped"
        return Failed(
            f"no host of group {outlook.group.name} can take the surrogate, and no room can be made: {why}",
            code="live-update.placement.no-room",
            remedy="free or add a host of the flavor's kind",
        )
    move = way.moves[0]
    details = {"server_id": move.server_id, "name": move.name, "from": move.origin, "to": move.target}
    line = context.ledger.intend(KIND, f"room:{move.server_id}", details)
    context.event("room.moving", **details, moves_left=len(way.moves))
    return _ask(context, line)


def wait_for_move(context: StepContext) -> None:
    """Raises Retry as long as a neighbour is under way, or has just ended to be."""
    line = _under_way(context)
    if line is None:
        return
    server = context.service_cloud().servers.get(line.details["server_id"])
    if server is not None and server.status == "MIGRATING":
        # the journal's writes carry the database's time
        if context.job.updated_at - line.created_at > PATIENCE:
            context.event("room.too-slow", **line.details)
            context.service_cloud().servers.stop_migration(server.id)
        raise _wait(context, line)
    if server is None or server.host == line.details["to"]:
        context.event("room.moved", **line.details)
        context.ledger.kept(line)
    elif line.state == ResourceState.INTENDED:
        # whoever intended it died, perhaps before asking
        raise _ask(context, line)
    else:
        _not_moved(context, line, "it failed, or was stopped")


def way_to_room(cloud: "Cloud", outlook: Outlook) -> RoomPlan:
    """What would be moved, for people to see; without moves where nothing need be, or may be, or would help."""
    if outlook.choice.hosts:
        return RoomPlan("", ())
    if not outlook.group.rules.make_room:
        return RoomPlan("", (), outlook.choice.refusal())
    way = plan(outlook.need, outlook.facts, outlook.group, neighbours(cloud, outlook, {}))
    return way if way.moves or way.why_not else RoomPlan("", (), outlook.choice.refusal())


def stop_moving(context: StepContext) -> None:
    line = _under_way(context)
    if line is not None:
        take_away(context, line)


def _under_way(context: StepContext) -> Resource | None:
    return next((line for line in context.ledger.open() if line.kind == KIND), None)


def _stuck(past: list[Resource]) -> dict[str, str]:
    failed = (line for line in past if line.state == ResourceState.DELETED)
    return {line.details["server_id"]: "it could not be moved" for line in failed}


def _ask(context: StepContext, line: Resource) -> Retry:
    try:
        context.service_cloud().servers.live_migrate(line.details["server_id"], line.details["to"])
    except Failed as refused:
        _not_moved(context, line, refused.detail)
        return Retry(0.0, f"{line.details['name']} cannot be moved: plans without it", counts=False)
    return _wait(context, context.ledger.created(line, line.details["server_id"]))


def _wait(context: StepContext, line: Resource) -> Retry:
    told = f"waits for {line.details['name']} to move from {line.details['from']} to {line.details['to']}, to make room"
    return Retry(2.0, told, watch=watch_server(context.service_cloud(), line.details["server_id"]), counts=False)


def _not_moved(context: StepContext, line: Resource, why: str) -> None:
    """The line is history: what is planned next leaves this neighbour where it is."""
    context.event("room.not-moved", **line.details, reason=why)
    context.ledger.deleted(line)
