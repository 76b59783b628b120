"""Take what one returns to after the commit: snapshots, or backups where the job asks for them. Without it, no update.

The boot volume's, and the data volumes' if the job asks for them: what a power cut would leave, as journalling file
systems and databases recover from. Of a root disk on the server's host, an image. While they are taken, a note for
cloud-init is in the guest, so that a server that is booted from them one day goes on as the machine it was
(docs/decisions/0009). What becomes of them at the job's end is ``finish`` (docs/decisions/0001). Undo: delete them, and
the note.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.planning import roles
from liveupdate.steps.gone import unless_gone
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, wait
from liveupdate.steps.server_image import LOCAL, local_root, take

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.backups import Backups
    from liveupdate.drivers.cloud.snapshots import Snapshots

_CLOUD_INIT = "/etc/cloud/cloud.cfg.d"
_NOTE = f"{_CLOUD_INIT}/98-liveupdate-fallback.cfg"
_TAKE_NOTE = f"[ -d {_CLOUD_INIT} ] && echo 'manual_cache_clean: true' > {_NOTE} && sync {_NOTE} {_CLOUD_INIT}"


@dataclass(frozen=True)
class Source:
    """What is copied: a volume, or, with ``kind`` "image", the server's own disk; ``kind`` is that of the copy.

    ``size`` in GiB; ``volume_id`` is "" for the server's own disk.
    """

    kind: str
    volume_id: str
    size: int
    type: str
    boot: bool


def sources(context: StepContext) -> Mapping[str, Source]:
    """role → what it is a copy of, as the preflight saw it."""
    found, parameters = context.result("preflight")["server"], context.job.parameters
    kind = str(parameters.get("fallback") or "snapshot")
    copied = [v for v in found["volumes"] if v["boot"] or parameters.get("fallback_data_volumes", False)]
    volumes = {role_of(v): Source(kind, v["id"], v["size"], v["type"], v["boot"]) for v in copied}
    own = {roles.FALLBACK: Source("image", "", found["root_disk"], LOCAL, boot=True)} if local_root(context) else {}
    return own | volumes


def role_of(volume: Mapping[str, Any]) -> str:
    return roles.FALLBACK if volume["boot"] else roles.fallback(volume["id"])


def probe(context: StepContext) -> Probe:
    taken = []
    for role, source in sources(context).items():
        found, line = there(context, source.kind, role), context.ledger.find(source.kind, role)
        # its time is told last, when the note has gone from the guest
        if found is None or line is None or "seconds" not in line.details:
            return NOT_DONE
        taken.append(_told(source, found))
    return Probe(True, {"taken": taken})


def apply(context: StepContext) -> Json:
    noted = _take_note(context)
    taken = []
    for role, source in sources(context).items():
        details = {"volume_id": source.volume_id, "size": source.size, "type": source.type, "boot": source.boot}
        if source.boot:
            details["noted"] = noted
        taken.append(_told(source, _copy(context, role, source, details)))
    # not before: until it is available, nobody knows whether a snapshot has been taken or only been asked for
    _remove_note(context)
    for role, source in sources(context).items():
        if line := context.ledger.find(source.kind, role):
            context.ledger.ready(line)
    return {"taken": taken}


def _copy(context: StepContext, role: str, source: Source, details: Json) -> str:
    if source.kind == "image":
        return take(context, role, details).cloud_id

    def create(line: Resource) -> str:
        return _copies(context, source.kind).create(line.name, source.volume_id, marks.metadata(line.job_id, role)).id

    found = make(context, source.kind, role, create, details)
    wait(context, lambda: available(context, found, source.kind), f"{source.kind} {found}")
    return found


def _told(source: Source, found: str) -> dict[str, str]:
    return {"kind": source.kind, "volume_id": source.volume_id, "id": found}


def undo(context: StepContext) -> None:
    _remove_note(context)
    for role, source in sources(context).items():
        unmake(context, source.kind, role)


def _take_note(context: StepContext) -> bool:
    """Whether cloud-init in the guest will go on with what it knows; False where there is none."""
    return _running(context) and context.guest("original").run(["sh", "-c", _TAKE_NOTE], check=False).code == 0


def _remove_note(context: StepContext) -> None:
    if _running(context):
        with unless_gone(context):
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
    for role, source in sources(context).items():
        if not days:
            _drop(context, role, source.kind)
            continue
        for what in (source.kind, "volume"):
            if line := context.ledger.find(what, role):
                context.ledger.kept(line, days)


def _drop(context: StepContext, role: str, kind: str) -> None:
    """Delete the copy, and the old volume if it was to die with its server; otherwise that is its owner's."""
    unmake(context, kind, role)
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
