"""Look whether a fallback can be ended: nothing is in use, and what is deleted is ours. Changes nothing.

The last step that may say no. It works as the service user: nobody stands behind the end of a time, and no trust
lives as long as a fallback.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.planning.parts import Part, read
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.backups import Backups
    from liveupdate.drivers.cloud.images import Images
    from liveupdate.drivers.cloud.snapshots import Snapshots
    from liveupdate.drivers.cloud.volumes import Volumes


class Fate(StrEnum):
    GONE = "gone"
    #: Without our mark, or its owner's: it is left alone.
    LEFT = "left"
    DELETE = "delete"


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    fates = {part.cloud_id: str(fate(context, part)) for part in parts(context)}
    return {"fates": fates}


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def parts(context: StepContext) -> list[Part]:
    return read(context.job.parameters["parts"])


def fate(context: StepContext, part: Part) -> Fate:
    """What is to become of it, as the cloud stands now. Raises Failed if it is in use."""
    cloud = context.service_cloud()
    found = look(cloud, part)
    if found is None:
        return Fate.GONE
    if not marks.carries(found.metadata, part.job_id, part.role):
        return Fate.LEFT
    if part.kind != "volume":
        return Fate.DELETE
    if not part.dies:
        return Fate.LEFT
    if found.servers:
        raise _in_use(part, f"it is on server {', '.join(sorted(found.servers))}", "take it off that server")
    ours = {p.cloud_id for p in parts(context)}
    if others := [s.id for s in cloud.snapshots.of_volume(found.id) if s.id not in ours]:
        raise _in_use(part, f"it has other snapshots: {', '.join(others)}", "delete them, or keep the volume")
    return Fate.DELETE


def look(cloud: "Cloud", part: Part) -> Any:
    """The part as the cloud has it, with ``status`` and ``metadata``; None if it is gone."""
    return kept_in(cloud, part).get(part.cloud_id)


def kept_in(cloud: "Cloud", part: Part) -> "Snapshots | Backups | Images | Volumes":
    kinds: dict[str, Snapshots | Backups | Images | Volumes]
    kinds = {
        "snapshot": cloud.snapshots,
        "backup": cloud.backups,
        "image": cloud.images,
        "volume": cloud.volumes,
    }
    return kinds[part.kind]


def _in_use(part: Part, why: str, remedy: str) -> Failed:
    return Failed(
        f"{part.kind} {part.name} ({part.cloud_id}) is in use: {why}",
        user_fault=True,
        code="live-update.fallback.in-use",
        remedy=f"{remedy}; then delete the fallback, or wait: it is tried again after a day",
    )


STEP = Step("inspect_fallback", "Check that the fallback is not in use", probe, apply, undo)
