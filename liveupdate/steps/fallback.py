"""Take what one returns to after the commit: snapshots, or backups where the job asks for them. Without it, no update.

The boot set's, and the data volumes' if the job asks for them: what a power cut would leave, as journalling file
systems and databases recover from. Several volumes of a running server's boot set hold still for it, so that their
snapshots are of one moment. Of a root disk on the server's host, an image. While they are taken, a note for cloud-init
is in the guest, so that a server that is booted from them one day goes on as the machine it was
(docs/decisions/0009). What becomes of them at the job's end is ``finish`` (docs/decisions/0001). Undo: delete them, and
the note.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.model import Json, Resource
from liveupdate.planning import roles
from liveupdate.planning.boot_set import is_root
from liveupdate.steps.copies import available, copies
from liveupdate.steps.frozen import snapshots
from liveupdate.steps.gone import unless_gone
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, wait
from liveupdate.steps.server_image import LOCAL, local_root, take

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
    return roles.FALLBACK if is_root(volume) else roles.fallback(volume["id"])


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
    noted, asked = _take_note(context), sources(context)
    details = {role: _details(source, noted) for role, source in asked.items()}
    snapshots(context, {role: details[role] for role in _of_one_moment(context)})
    taken = [_told(source, _copy(context, role, source, details[role])) for role, source in asked.items()]
    # not before: until it is available, nobody knows whether a snapshot has been taken or only been asked for
    _remove_note(context)
    for role, source in sources(context).items():
        if line := context.ledger.find(source.kind, role):
            context.ledger.ready(line)
    return {"taken": taken}


def _details(source: Source, noted: bool) -> dict[str, Any]:
    told = {"volume_id": source.volume_id, "size": source.size, "type": source.type, "boot": source.boot}
    return {**told, "noted": noted} if source.boot else told


def _of_one_moment(context: StepContext) -> list[str]:
    """The roles of what can only be returned to together, as far as the guest can be asked to hold still for it."""
    roles = [role for role, source in sources(context).items() if source.boot and source.kind == "snapshot"]
    return roles if len(roles) > 1 and _running(context) else []


def _copy(context: StepContext, role: str, source: Source, details: Json) -> str:
    if source.kind == "image":
        return take(context, role, details).cloud_id

    def create(line: Resource) -> str:
        return copies(context, source.kind).create(line.name, source.volume_id, marks.metadata(line.job_id, role)).id

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


STEP = Step("fallback", "Take the fallback", probe, apply, undo, timeout=4 * 3600)
