"""Look whether the server can be brought back from its fallback, and gather what the later steps need.

Plays the preflight's part: its result has the same "server". Changes nothing; also serves previews.
"""

from typing import TYPE_CHECKING, Any

from liveupdate.errors import Failed
from liveupdate.model import JobKind, Json, Verdict
from liveupdate.planning.checks import refusal, worst
from liveupdate.planning.parts import Part
from liveupdate.planning.restore_findings import RestoreFacts, judge
from liveupdate.steps.inspect_fallback import look, parts
from liveupdate.steps.making_room import way_to_room
from liveupdate.steps.place import outlook_of
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import REPLACED_BY
from liveupdate.steps.server_facts import describe

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud


def probe(context: StepContext) -> Probe:
    """Facts grow old: they are gathered anew."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    cloud, parameters = context.service_cloud(), context.job.parameters
    server = cloud.servers.get(context.job.server_id)
    # the service user sees every project: another one's server does not exist for this job
    if server is None or server.project_id != context.job.project_id:
        raise Failed(
            f"there is no server {context.job.server_id}",
            user_fault=True,
            code="live-update.server.gone",
            remedy="boot a server from a volume of the fallback's snapshot by hand",
        )
    found = {part.cloud_id: look(cloud, part) for part in parts(context)}
    described, outlook = describe(cloud, server), outlook_of(context, {})
    way = way_to_room(cloud, outlook)
    facts = RestoreFacts(
        server=described,
        stands_for={p.cloud_id: _stands_for(cloud, p, described["volumes"]) for p in parts(context)},
        parts=parts(context),
        statuses={identifier: part.status if part else "" for identifier, part in found.items()},
        hosts=outlook.choice.hosts or ((way.host,) if way.moves else ()),
        why_not=way.why_not,
        quota_left=cloud.quotas.left(context.job.project_id),
        made_at=parameters["made_at"],
        port_id=parameters["port_id"],
        data_volumes=parameters["data_volumes"],
    )
    findings = judge(facts)
    result: dict[str, Any] = {"server": described, "stands_for": dict(facts.stands_for)}
    result["verdict"] = str(worst(findings))
    result["findings"] = [f.as_json() for f in findings]
    if worst(findings) == Verdict.BLOCK and context.job.kind == JobKind.UPDATE:
        context.event("preflight.blocked", findings=result["findings"])
        raise refusal(findings)
    return result


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def _stands_for(cloud: "Cloud", part: Part, volumes: list[dict[str, Any]]) -> str:
    """The volume now on the server that the copy goes back to: the one it is of, or what an earlier restore put in its
    place; "" if that cannot be told any more."""
    if part.kind == "image":
        return ""
    if part.boot:
        return next((str(v["id"]) for v in volumes if v["boot"]), "")
    volume_id, there, seen = part.volume_id, {v["id"] for v in volumes}, set[str]()
    while volume_id and volume_id not in there and volume_id not in seen:
        seen.add(volume_id)
        volume = cloud.volumes.get(volume_id)
        volume_id = volume.metadata.get(REPLACED_BY, "") if volume else ""
    return volume_id if volume_id in there else ""


STEP = Step("check_restore", "Check the server and its fallback", probe, apply, undo, part="preflight")
