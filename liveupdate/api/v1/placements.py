"""/v1/placements: where a server's twin would go, or has gone, and why."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from liveupdate.api.document import one
from liveupdate.api.schemas import answers
from liveupdate.api.schemas.host_groups import ExplainPlacement
from liveupdate.api.v1.asking import Asked, By, find, infrastructure
from liveupdate.db import reservations, resources, steps
from liveupdate.db.session import read
from liveupdate.errors import Forbidden, NotFound
from liveupdate.states import ResourceState
from liveupdate.steps.fleet_facts import Wish, look
from liveupdate.steps.making_room import way_to_room

router = APIRouter(prefix="/v1/placements", tags=["placements"])


@router.post("", **one(200, "placement", answers.Placement, 404))
def explain(body: ExplainPlacement, asked: Asked, by: By) -> dict[str, Any]:
    """Judge every host now; nothing is reserved, nothing is changed."""
    # who may explain nothing at all need not learn which servers there are
    asked.authorize("placement:explain", by.context, by.context.project_id)
    cloud, server_id = infrastructure(asked, by), str(body.placement.server_id)
    server = cloud.servers.get(server_id)
    try:
        asked.authorize("placement:explain", by.context, server.project_id if server else "")
    except Forbidden:
        server = None
    if server is None:
        raise NotFound(f"no server {server_id}", code="live-update.server.not-found", remedy="openstack server list")
    with read(asked.engine) as connection:
        held = reservations.held(connection)
    wish = Wish(group=body.placement.group or "", same_host=body.placement.same_host)
    outlook = look(cloud, asked.metrics, held, server, wish)
    choice, way = outlook.choice, way_to_room(cloud, outlook)
    return {
        "placement": {
            "server_id": server.id,
            "job_id": None,
            "host": next(iter(choice.hosts), None),
            **choice.as_json(),
            "moves": [move.as_json() for move in way.moves],
            "why_not": way.why_not,
            "refused_by_nova": {},
        }
    }


@router.get("/{job_id}", **one(200, "placement", answers.Placement, 404))
def show(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    """As it was judged for this job; with the neighbours that were moved, and what Nova would not have."""
    job = find(asked, by, "placement:get", job_id)
    with read(asked.engine) as connection:
        results = {row.spec.id: row.result for row in steps.of_job(connection, job.id)}
        reservation, ledger = reservations.get(connection, job.id), resources.of_job(connection, job.id)
    placed, provisioned = results.get("place", {}), results.get("provision", {})
    if not placed:
        raise NotFound(f"job {job.id} has not been placed yet", code="live-update.placement.not-yet")
    moved = [dict(line.details) for line in ledger if line.kind == "migration" and line.state == ResourceState.KEPT]
    return {
        "placement": {
            "server_id": job.server_id,
            "job_id": job.id,
            "host": provisioned.get("host") or placed["host"],
            # a job of an older release has not kept it
            **placed.get("placement", {"group": None, "policy": None, "note": "", "hosts": [], "left_out": {}}),
            "moves": moved,
            "why_not": "",
            "refused_by_nova": dict(reservation.refused) if reservation else {},
        }
    }
