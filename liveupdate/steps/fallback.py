"""Take what one returns to after the commit: snapshots, or backups where the job asks for them. Without it, no update.

The boot volume's, and the data volumes' if the job asks for them: what a power cut would leave, as journalling file
systems and databases recover from. While they are taken, a note for cloud-init is in the guest, so that a server that
is booted from them one day goes on as the machine it was (docs/decisions/0009). What becomes of them at the job's end
is ``finish`` (docs/decisions/0001). Undo: delete them, and the note.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, wait

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.backups import Backups
    from liveupdate.drivers.cloud.snapshots import Snapshots

#: The boot volume's role; a data volume's has the beginning of its id after it.
BOOT_ROLE = "fallback"
_CLOUD_INIT = "/etc/cloud/cloud.cfg.d"
_NOTE = f"{_CLOUD_INIT}/98-liveupdate-fallback.cfg"
_TAKE_NOTE = f"[ -d {_CLOUD_INIT} ] && echo 'manual_cache_clean: true' > {_NOTE} && sync {_NOTE} {_CLOUD_INIT}"


def kind(context: StepContext) -> str:
    """ "snapshot" or "backup"."""
    return str(context.job.parameters.get("fallback") or "snapshot")


def roles(context: StepContext) -> Mapping[str, dict[str, Any]]:
    """role → the volume it is of, as the preflight saw it."""
    volumes: list[dict[str, Any]] = context.result("preflight")["server"]["volumes"]
    data = context.job.parameters.get("fallback_data_volumes", False)
    return {role_of(v): v for v in volumes if v["boot"] or data}


def role_of(volume: Mapping[str, Any]) -> str:
    return BOOT_ROLE if volume["boot"] else f"{BOOT_ROLE}-{volume['id'][:8]}"


def probe(context: StepContext) -> Probe:
    taken = []
    for role, volume in roles(context).items():
        found, line = there(context, kind(context), role), context.ledger.find(kind(context), role)
        # its time is told last, when the note has gone from the guest
        if found is None or line is None or "seconds" not in line.details:
            return NOT_DONE
        taken.append({"volume_id": volume["id"], "id": found})
    return Probe(True, {"kind": kind(context), "taken": taken})


def apply(context: StepContext) -> Json:
    copies, what = _copies(context, kind(context)), kind(context)
    noted = _take_note(context)
    taken = []
    for role, volume in roles(context).items():

        def create(line: Resource, volume_id: str = volume["id"]) -> str:
            return copies.create(line.name, volume_id, marks.metadata(line.job_id, line.role)).id

        details = {"volume_id": volume["id"], "size": volume["size"], "type": volume["type"], "boot": volume["boot"]}
        if volume["boot"]:
            details["noted"] = noted
        found = make(context, what, role, create, details)
        wait(context, lambda found=found: available(context, found, what), f"{what} {found}")  # type: ignore[misc]
        taken.append({"volume_id": volume["id"], "id": found})
    # not before: until it is available, nobody knows whether a snapshot has been taken or only been asked for
    _remove_note(context)
    for role in roles(context):
        if line := context.ledger.find(what, role):
            context.ledger.ready(line)
    return {"kind": what, "taken": taken}


def undo(context: StepContext) -> None:
    _remove_note(context)
    for role in roles(context):
        unmake(context, kind(context), role)


def _take_note(context: StepContext) -> bool:
    """Whether cloud-init in the guest will go on with what it knows; False where there is none."""
    return _running(context) and context.guest("original").run(["sh", "-c", _TAKE_NOTE], check=False).code == 0


def _remove_note(context: StepContext) -> None:
    if _running(context):
        context.guest("original").run(["rm", "-f", _NOTE])


def _running(context: StepContext) -> bool:
    """Whether the preflight has looked into the guest; the server of a restore has been stopped by now."""
    return bool(context.result("preflight").get("guest"))


def available(context: StepContext, copy_id: str, what: str = "snapshot") -> bool | None:
    """True once the snapshot or backup is; None while it is being made. Raises Failed if Cinder gave up."""
    copy = _copies(context, what).get(copy_id)
    if copy is None or copy.status.startswith("error"):
        raise Failed(
            f"{what} {copy_id} is {copy.status if copy else 'gone'}",
            code=f"live-update.{what}.failed",
            remedy=f"see the log of {'cinder-backup' if what == 'backup' else 'cinder-volume'}",
        )
    return True if copy.status == "available" else None


def finish(context: StepContext) -> None:
    """At the job's end: keep it for its days, or delete it if there are none."""
    asked = context.job.parameters.get("keep_fallback_days")
    days = context.settings.surrogate.fallback_days if asked is None else int(asked)
    for role in roles(context):
        if not days:
            _drop(context, role)
            continue
        for what in (kind(context), "volume"):
            if line := context.ledger.find(what, role):
                context.ledger.kept(line, days)


def _drop(context: StepContext, role: str) -> None:
    """Delete the copy, and the old volume if it was to die with its server; otherwise that is its owner's."""
    unmake(context, kind(context), role)
    line = context.ledger.find("volume", role)
    if line is None:
        return
    old = context.user_cloud().volumes.get(line.cloud_id)
    if line.details["dies"] and not (old and old.servers):
        unmake(context, "volume", role)
    else:
        context.ledger.kept(line)


def _copies(context: StepContext, what: str) -> "Snapshots | Backups":
    cloud = context.user_cloud()
    return cloud.backups if what == "backup" else cloud.snapshots


STEP = Step("fallback", "Take the fallback", probe, apply, undo, timeout=4 * 3600)
