"""What commands tell that need no daemon: the machine and what runs on it. See liveupdate/guest/__main__.py."""

from typing import Annotated

from pydantic import Field, Strict
from pydantic.dataclasses import dataclass

from liveupdate.drivers.guest.answers.forms import Count, Flag, Keyed, Many, Moment, Text, Words


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
