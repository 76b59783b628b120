"""Look whether the server can be brought back from its fallback, and gather what the later steps need.

Plays the preflight's part: its result has the same "server". Changes nothing; also serves previews.
"""

from typing import TYPE_CHECKING, Any

from liveupdate.model import Json
from liveupdate.planning.boot_set import is_root
from liveupdate.planning.parts import Part
from liveupdate.planning.restore_findings import RestoreFacts, judge
from liveupdate.steps.checking import concluded, own_server
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
    cloud, server, parameters = context.service_cloud(), own_server(context), context.job.parameters
    found = {part.cloud_id: look(cloud, part) for part in parts(context)}
    described, outlook = describe(cloud, server), outlook_of(context, {})
    way = way_to_room(cloud, outlook)
    stands_for = {p.cloud_id: _stands_for(cloud, p, described["volumes"]) for p in parts(context)}
    # a server that has stopped tells nothing of what is mounted: the boot set is what the fallback says
    ours = {stands_for[p.cloud_id] for p in parts(context) if p.boot}
    described["volumes"] = [{**v, "boot": v["boot"] or v["id"] in ours} for v in described["volumes"]]
    facts = RestoreFacts(
        server=described,
        stands_for=stands_for,
        parts=parts(context),
        statuses={identifier: part.status if part else "" for identifier, part in found.items()},
        hosts=outlook.choice.hosts or ((way.host,) if way.moves else ()),
        why_not=way.why_not,
        quota_left=cloud.quotas.left(context.job.project_id),
        made_at=parameters["made_at"],
        port_id=parameters["port_id"],
        data_volumes=parameters["data_volumes"],
    )
    result = {"server": described, "stands_for": dict(facts.stands_for)}
    return result | concluded(context, judge(facts))


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def _stands_for(cloud: "Cloud", part: Part, volumes: list[dict[str, Any]]) -> str:
    """The volume now on the server that the copy goes back to: the one it is of, or what an earlier restore put in its
    place; "" if that cannot be told any more."""
    if part.kind == "image":
        return ""
    if part.root:
        return next((str(v["id"]) for v in volumes if is_root(v)), "")
    volume_id, there, seen = part.volume_id, {v["id"] for v in volumes}, set[str]()
    while volume_id and volume_id not in there and volume_id not in seen:
        seen.add(volume_id)
        volume = cloud.volumes.get(volume_id)
        volume_id = volume.metadata.get(REPLACED_BY, "") if volume else ""
    return volume_id if volume_id in there else ""


STEP = Step("check_restore", "Check the server and its fallback", probe, apply, undo, part="preflight")
