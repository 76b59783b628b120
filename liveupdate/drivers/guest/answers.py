"""What the in-guest program may answer: for each command a frozen value, nothing of it larger than it can be.

A guest is hostile: whoever is root there may say whatever he likes in the program's stead. What is not known here is
dropped; what has another form is refused with ``live-update.guest.bad-answer``; texts are plain, and cut. What an older
program does not tell has its default.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from liveupdate.errors import GuestError
from liveupdate.plain import plain

T = TypeVar("T")

#: Characters of one text; a mount's options have a page at most.
_TEXT = 4096
#: Entries of one list.
_MOST = 4096


def _text(told: object) -> object:
    return plain(told, _TEXT).replace("\n", " ") if isinstance(told, str) else told


def _words(told: object) -> object:
    return plain(told, 2000) if isinstance(told, str) else told


Text = Annotated[str, Strict(), BeforeValidator(_text)]
#: For people, several lines perhaps.
Words = Annotated[str, Strict(), BeforeValidator(_words)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=1 << 62)]
Whole = Annotated[int, Strict(), Field(ge=-(1 << 62), le=1 << 62)]
Real = Annotated[float, Strict(), Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Moment = Annotated[float, Strict(), Field(ge=0, le=1e12, allow_inf_nan=False)]
Many = Annotated[tuple[T, ...], Field(max_length=_MOST)]
Keyed = Annotated[dict[Text, T], Field(max_length=_MOST)]
Phase = Annotated[str, Strict(), Field(pattern=r"^[a-z-]{1,40}$")]


@dataclass(frozen=True)
class Nothing:
    """Commands whose answer nobody reads."""


# -- oneshot commands: liveupdate/guest/inspect.py, trial.py, storage.py, … --------------------------------------------


@dataclass(frozen=True)
class Memory:
    total: Count = 0
    available: Count = 0


@dataclass(frozen=True)
class Pids:
    maximum: Count = 0
    highest: Count = 0


@dataclass(frozen=True)
class Mount:
    where: Text
    fstype: Text
    device: Text = ""
    block: Text = ""
    by_id: Text = ""
    options: Text = ""
    disks: Many[Text] = ()


@dataclass(frozen=True)
class Swap:
    device: Text
    disks: Many[Text] = ()


@dataclass(frozen=True)
class TableLine:
    source: Text
    where: Text
    fstype: Text
    options: Text


@dataclass(frozen=True)
class InterfaceAddress:
    address: Text
    prefix: Count


@dataclass(frozen=True)
class Interface:
    name: Text
    mac: Text = ""
    addresses: Many[InterfaceAddress] = ()
    gateway: Text = ""


@dataclass(frozen=True)
class RunningUnit:
    name: Text
    main_pid: Count = 0
    pids: Many[Count] = ()
    rss: Count = 0
    threads: Count = 0
    ports: Many[Count] = ()
    mounts: Many[Text] = ()
    stdout: Text = ""
    sandboxing: Many[Text] = ()
    fragment: Text = ""


@dataclass(frozen=True)
class IscsiSession:
    name: Text
    target: Text
    portal: Text
    state: Text


@dataclass(frozen=True)
class Disk:
    device: Text
    wwid: Text
    target: Text
    portal: Text
    lun: Count
    users: Many[Text]


@dataclass(frozen=True)
class MapPath:
    device: Text
    dm_st: Text
    chk_st: Text


@dataclass(frozen=True)
class MultipathMap:
    uuid: Text
    device: Text
    paths: Many[MapPath]


@dataclass(frozen=True)
class Storage:
    initiator: Text = ""
    multipathd: Flag = False
    sessions: Many[IscsiSession] = ()
    disks: Many[Disk] = ()
    maps: Many[MultipathMap] = ()


@dataclass(frozen=True)
class Criu:
    version: Text = ""
    ok: Flag = False
    why: Words = ""


@dataclass(frozen=True)
class Inspection:
    kernel: Text
    architecture: Text = "x86_64"
    boot_id: Text = ""
    machine_id: Text = ""
    smbios_uuid: Text = ""
    hostname: Text = ""
    cpus: Count = 1
    memory: Memory = Memory()
    pids: Pids = Pids()
    mounts: Many[Mount] = ()
    swaps: Many[Swap] = ()
    fstab: Many[TableLine] = ()
    free: Keyed[Count] = Field(default_factory=dict)
    interfaces: Many[Interface] = ()
    units: Many[RunningUnit] = ()
    storage: Storage = Storage()
    criu: Criu = Criu()
    tools: Keyed[Flag] = Field(default_factory=dict)
    systemd: Flag = False
    cloud_init: Flag = False
    reboot_required: Flag = False


@dataclass(frozen=True)
class Trial:
    ok: Flag
    reason: Words = ""
    hint: Words = ""
    dump_seconds: Moment = 0.0
    image_bytes: Count = 0
    processes: Count = 0


@dataclass(frozen=True)
class Guarded:
    pid_base: Count | None = None
    masked: Many[Text] | None = None
    disks: Many[Text] | None = None


@dataclass(frozen=True)
class Initiator:
    initiator: Annotated[str, Strict(), Field(pattern=r"^[a-zA-Z0-9_.:-]+$", max_length=223)]


@dataclass(frozen=True)
class VolumePath:
    device: Text
    portal: Text


@dataclass(frozen=True)
class ConnectedVolume:
    device: Text
    paths: Many[VolumePath]
    missing: Many[Text]


@dataclass(frozen=True)
class Connected:
    volumes: Keyed[ConnectedVolume]


@dataclass(frozen=True)
class StaleProcess:
    unit: Text
    pid: Count
    name: Text
    files: Many[Text]


@dataclass(frozen=True)
class Stale:
    processes: Many[StaleProcess] = ()


@dataclass(frozen=True)
class Provenance:
    kernel: Text
    packages: Text
    machine_id: Text
    host_key: Text
    filesystems: Keyed[Many[Text]] = Field(default_factory=dict)


# -- the daemon's: liveupdate/guest/daemon.py --------------------------------------------------------------------------


@dataclass(frozen=True)
class Entered:
    name: Text
    monotonic: Moment
    realtime: Moment


@dataclass(frozen=True)
class TimelineEntry:
    name: Text
    ms: Whole


@dataclass(frozen=True)
class Trouble:
    code: Text = ""
    detail: Words = ""
    remedy: Words = ""


@dataclass(frozen=True)
class Resumed:
    """``units``: how each came back; ``changed``: what has been written elsewhere since."""

    units: Keyed[Text] = Field(default_factory=dict)
    changed: Words = ""


@dataclass(frozen=True)
class PathEvent:
    event: Text
    target: Text
    portal: Text
    at: Moment


@dataclass(frozen=True)
class Status:
    phase: Phase
    role: Annotated[str, Strict(), Field(pattern=r"^(source|target)$")] | None = None
    phases: Many[Entered] = ()
    now: Moment = 0.0
    boot_id: Annotated[str, Strict(), Field(pattern=r"^[0-9a-f-]{0,36}$")] = ""
    linked: Flag = False
    blackout_ms: Count | None = None
    timeline: Many[TimelineEntry] = ()
    bytes: Count = 0
    returned: Trouble | None = None
    resumed: Resumed | None = None
    failure: Trouble | None = None
    path_events: Many[PathEvent] = ()


@dataclass(frozen=True)
class Key:
    public_key: Annotated[str, Strict(), Field(pattern=r"^ssh-ed25519 [A-Za-z0-9+/=]{40,200}$")]


@dataclass(frozen=True)
class Listening:
    port: Annotated[int, Strict(), Field(ge=1, le=65535)]


@dataclass(frozen=True)
class Linked:
    clock_offset: Real


@dataclass(frozen=True)
class CopyRound:
    round: Count
    bytes: Count
    seconds: Moment
    estimate_ms: Count


@dataclass(frozen=True)
class HealthCheck:
    ok: Flag
    kind: Text = ""
    what: Text = ""
    detail: Words = ""


@dataclass(frozen=True)
class UnitHealth:
    ok: Flag
    checks: Many[HealthCheck] = ()


@dataclass(frozen=True)
class Health:
    ok: Flag
    units: Keyed[UnitHealth]


@dataclass(frozen=True)
class Opened:
    opened: Flag = False


@dataclass(frozen=True)
class HandedBack:
    phase: Phase


_ANSWERS: dict[str, type] = {
    "inspect": Inspection,
    "trial": Trial,
    "storage": Storage,
    "guard_install": Guarded,
    "initiator_own": Initiator,
    "storage_connect": Connected,
    "stale": Stale,
    "provenance": Provenance,
    "status": Status,
    "keygen": Key,
    "listen": Listening,
    "connect": Linked,
    "precopy": CopyRound,
    "probe": Health,
    "open": Opened,
    "hand_back": HandedBack,
    "resume": Resumed,
}
_READERS: dict[str, TypeAdapter[Any]] = {command: TypeAdapter(kind) for command, kind in _ANSWERS.items()}


#: The program's own codes: it cannot speak with ours.
_CODE = re.compile(r"guest\.[a-z0-9.-]{1,80}")


def parse(line: str | bytes) -> dict[str, Any]:
    """One object of JSON. Raises GuestError, whatever the bytes are."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        raise _bad("no JSON") from None
    if not isinstance(told, dict):
        raise _bad("no object")
    return told


def result(command: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the command gave, as small JSON: the fields of its value above. Raises the GuestError that it ended with."""
    if "error" in answer:
        raise _failure(answer["error"])
    reader = _READERS.get(command)
    if reader is None:
        return {}
    try:
        told: dict[str, Any] = reader.dump_python(reader.validate_python(answer.get("result")), mode="json")
    except ValidationError as error:
        # where it is wrong, not what it says there
        places = {".".join(str(part) for part in each["loc"])[:100] for each in error.errors()[:3]}
        raise _bad(f"{command}: {', '.join(sorted(places)) or 'no object'}") from None
    return told


def _failure(told: Any) -> GuestError:
    known = told if isinstance(told, dict) else {}
    code, detail, remedy = (each if isinstance(each := known.get(k), str) else "" for k in ("code", "detail", "remedy"))
    code = code if _CODE.fullmatch(code) else "guest.failed"
    return GuestError(plain(detail, 2000), code=code, remedy=plain(remedy, 2000))


def _bad(what: str) -> GuestError:
    return GuestError(
        f"the guest gave an answer that the in-guest program would not give: {what}",
        code="live-update.guest.bad-answer",
        remedy="find out what answers there instead of it (unit liveupdate-agent), then try again",
    )
