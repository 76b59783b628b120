"""Make volumes from the fallback's copies: the boot set, and the data volumes if they go back too.

Plays the mirror's part: the ledger's volume "mirror" becomes the boot volume. The fallback stays as it is. Undo:
delete the volumes.
"""

from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import marks
from liveupdate.model import Json, Resource
from liveupdate.planning.parts import Part
from liveupdate.steps.inspect_fallback import parts
from liveupdate.steps.mirror import ROLE, volume_ready
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import mirror_role
from liveupdate.steps.resources import make, there, unmake, wait

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud


def probe(context: StepContext) -> Probe:
    made = {role: there(context, "volume", role) for role in _sources(context)}
    if not all(volume_id and volume_ready(context, volume_id) for volume_id in made.values()):
        return NOT_DONE
    return Probe(True, _result(context, made))


def apply(context: StepContext) -> Json:
    cloud, made = context.user_cloud(), {}
    for role, part in _sources(context).items():

        def create(line: Resource, part: Part = part) -> str:
            return _begin(cloud, line, part)

        made[role] = make(context, "volume", role, create, {"size": part.size, "type": part.type})
    for role, volume_id in made.items():
        wait(context, lambda volume_id=volume_id: volume_ready(context, volume_id), f"volume {volume_id}")  # type: ignore[misc]
        if line := context.ledger.find("volume", role):
            context.ledger.ready(line)
    return _result(context, made)


def undo(context: StepContext) -> None:
    for role in _sources(context):
        unmake(context, "volume", role)


def _begin(cloud: "Cloud", line: Resource, part: Part) -> str:
    begin = cloud.volumes.from_backup if part.kind == "backup" else cloud.volumes.from_snapshot
    return begin(line.name, part.cloud_id, part.size, part.type, marks.metadata(line.job_id, line.role)).id


def _sources(context: StepContext) -> dict[str, Part]:
    """role → the copy that its volume is made from."""
    data = context.job.parameters["data_volumes"]
    copies = [p for p in parts(context) if p.kind not in ("volume", "image") and (p.boot or data)]
    return {mirror_role(_stands_for(context, p), root=p.root): p for p in copies}


def _stands_for(context: StepContext, part: Part) -> str:
    return str(context.result("preflight")["stands_for"][part.cloud_id])


def _result(context: StepContext, made: dict[str, Any]) -> dict[str, Any]:
    """``instead``: volume on the server now → the one that takes its place. A disk on the host is made from the
    fallback's image by Nova itself."""
    root = next(({"image_id": p.cloud_id} for p in parts(context) if p.kind == "image"), None)
    instead = {_stands_for(context, p): made[role] for role, p in _sources(context).items()}
    return {**(root or {"volume_id": made[ROLE]}), "instead": instead}


STEP = Step("recall", "Make volumes from the fallback", probe, apply, undo, timeout=4 * 3600, part="mirror")
