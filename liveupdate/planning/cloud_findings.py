"""What the cloud says about a server's update: facts in, findings out. Pure.

One function per check; each returns one finding, also when all is well: what was checked can be read in a preview.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from liveupdate.model import Finding, Json, Verdict
from liveupdate.planning import boot_set, handover, paths
from liveupdate.planning.checks import check, quota
from liveupdate.planning.server_findings import active, free, host_key

_DEVICES = ("pci_passthrough:", "resources:VGPU", "resources:PGPU", "accel:")


class VolumeType(Protocol):
    """What must be known of a volume type; drivers/cloud/volume_types.py has one."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def backend(self) -> str: ...

    @property
    def encrypted(self) -> bool: ...

    def open_to(self, project_id: str) -> bool: ...


@dataclass(frozen=True)
class CloudFacts:
    """``server`` as in the preflight's result; ``quota_left`` name → how many more, unlimited ones missing."""

    server: Json
    quota_left: Mapping[str, int]
    #: Hosts that can take the surrogate, and why the others cannot.
    hosts: Sequence[str]
    why_not: str
    host_key: str
    #: Neighbours that are moved away first, in words.
    moves: Sequence[str] = ()
    #: That every volume must have.
    minimum_paths: int = 1
    fallback_data_volumes: bool = False
    #: None: the fallback is to be of snapshots; else whether there is a service for backups.
    backup_offered: bool | None = None
    #: The types of the boot set's volumes, by name, and, if one is asked for, of the mirror; None where the name is
    #: nobody's.
    boot_types: Mapping[str, VolumeType | None] = field(default_factory=dict)
    mirror_type_name: str = ""
    mirror_type: VolumeType | None = None


def judge(facts: CloudFacts) -> list[Finding]:
    """Every finding; with one of verdict block the update cannot be done."""
    return [
        *_server(facts.server),
        _root(facts.server),
        *_volumes(facts.server["volumes"]),
        *paths.judge(facts.server["volumes"], facts.minimum_paths),
        *_backup(facts),
        *_mirror_type(facts),
        *_encryption(facts),
        *_ports(facts.server["ports"]),
        _quota(facts),
        _room(facts),
        host_key(facts.host_key),
    ]


def _server(server: Json) -> Iterator[Finding]:
    yield active(server)
    yield from free(server)
    yield check(
        "server.local-disk",
        not server["local_disk"],
        f"it has {server['local_disk']} GiB of ephemeral disk or swap on its host: the surrogate gets new, empty ones",
        "none is needed for swap and for disks that are not mounted; what is mounted is looked at in the guest",
        warn=True,
    )
    devices = sorted(k for k in server["extra_specs"] if k.startswith(_DEVICES))
    yield check(
        "server.devices",
        not devices,
        f"it holds devices of its host: {', '.join(devices)}",
        "plan a reboot for this server",
    )


def _root(server: Json) -> Finding:
    if server.get("image_id"):
        return check(
            "server.local-root",
            False,
            f"its root disk, {server['root_disk']} GiB, lies on its host: Nova copies it twice, for the update and for "
            "the fallback, while the server runs (a hypervisor that cannot suspends it meanwhile); afterwards the "
            "server names an image that is gone",
            "rebuild it from an image that you name",
            warn=True,
        )
    return check(
        "volume.boot",
        boot_set.has_root(server["volumes"]),
        "it boots neither from an image nor from exactly one volume",
        "see in Nova what it boots from",
    )


def _volumes(volumes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    boot = [v for v in volumes if v["boot"]]
    for volume in boot:
        yield check(
            "volume.boot-status",
            volume["status"] == "in-use" and len(volume["servers"]) == 1,
            f"a volume of the operating system, it is {volume['status']}, on {len(volume['servers'])} servers",
            "detach it from the others",
            subject=volume["id"],
        )
    for volume in volumes:
        if volume["boot"]:
            continue
        yield _hand_over(volume)
        yield check(
            "volume.data-shared",
            len(volume["servers"]) == 1,
            f"it is on {len(volume['servers'])} servers: cluster file systems are not handed over",
            "take it off the others, or off this server",
            subject=volume["id"],
        )


def _hand_over(volume: Mapping[str, Any]) -> Finding:
    """Always told: which way, and why."""
    chosen, reason = handover.way(volume)
    if chosen == handover.MULTIATTACH:
        return Finding("volume.handover", Verdict.OK, f"{chosen}: {reason}", "", volume["id"])
    remedy = "use a multiattach volume type for the shortest blackout"
    return Finding("volume.handover", Verdict.WARN, f"{chosen}: {reason}, a second or two", remedy, volume["id"])


def _backup(facts: CloudFacts) -> Iterator[Finding]:
    if facts.backup_offered is None:
        return
    yield check(
        "fallback.one-moment",
        len(boot_set.members(facts.server["volumes"])) < 2,
        "the operating system lies on several volumes, and their backups are taken one after the other",
        "ask for fallback: snapshot, or let nobody install packages meanwhile",
        warn=True,
    )
    yield check(
        "fallback.backup-service",
        facts.backup_offered,
        "the fallback is to be a backup, but no cinder-backup service is up",
        "ask for fallback: snapshot, or have a backup service set up",
    )


def _mirror_type(facts: CloudFacts) -> Iterator[Finding]:
    """What Cinder would refuse when the mirror is made from snapshots of the boot set."""
    name, wanted = facts.mirror_type_name, facts.mirror_type
    if not name:
        return
    known = wanted is not None and wanted.open_to(facts.server["project_id"])
    yield check(
        "volume.mirror-type",
        known,
        f"there is no volume type {name!r} for this project",
        "openstack volume type list",
        subject=name,
    )
    if not known or wanted is None:
        return
    for boot in facts.boot_types.values():
        if boot is None or boot.id == wanted.id:
            continue
        yield check(
            "volume.mirror-type-backend",
            not wanted.backend or not boot.backend or wanted.backend == boot.backend,
            f"a snapshot on back end {boot.backend} (type {boot.name}) cannot become a volume on {wanted.backend}",
            f"choose a type of back end {boot.backend}, or retype the boot volume first",
            subject=name,
        )
        yield check(
            "volume.mirror-type-encryption",
            not wanted.encrypted and not boot.encrypted,
            f"type {boot.name} and type {name} are not encrypted alike",
            "leave the mirror's type as it is",
            subject=name,
        )


def _encryption(facts: CloudFacts) -> Iterator[Finding]:
    """Cinder copies an encrypted volume through a snapshot, with a copy of its key, onto a volume of the same type."""
    for volume in facts.server["volumes"]:
        if not volume.get("encrypted"):
            continue
        if volume["boot"]:
            kind = facts.boot_types.get(volume.get("type") or "")
            yield check(
                "volume.encryption-type",
                kind is not None and kind.encrypted,
                f"a volume of the operating system, it is encrypted, and its type {volume.get('type') or '(none)'} is "
                "not, or is gone: Cinder cannot copy it with its key",
                "retype the volume to an encrypted type that exists",
                subject=volume["id"],
            )
        yield check(
            "volume.encrypted",
            False,
            "it is encrypted: Nova reads its key for the surrogate in the requester's name, with the roles of the "
            "job's trust",
            "see in the key manager's policy that these roles may read the project's keys",
            subject=volume["id"],
            warn=True,
        )


def _ports(ports: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    yield check(
        "port.one",
        len(ports) == 1,
        f"it has {len(ports)} ports; exactly one is supported yet",
        "take the others off for the update",
    )
    for port in ports:
        yield check(
            "port.address",
            len(port["fixed_ips"]) == 1 and port["version"] == 4,
            f"the port has {len(port['fixed_ips'])} addresses; exactly one, of IPv4, is supported yet",
            "take the others off for the update",
            subject=port["id"],
        )
        yield check(
            "port.kind",
            port["vnic_type"] == "normal",
            f"the port is of kind {port['vnic_type']}: it is bound to its host's hardware",
            "use an ordinary port",
            subject=port["id"],
        )


def _quota(facts: CloudFacts) -> Finding:
    needed = {"instances": 1, "cores": facts.server["vcpus"], "ram": facts.server["memory"], "port": 2}
    needed |= _storage(facts)
    return quota(needed, facts.quota_left)


def _storage(facts: CloudFacts) -> Counter[str]:
    """What Cinder counts, in all and by type: the mirror, its snapshots, and the fallback's copies."""
    boot = boot_set.members(facts.server["volumes"])
    copied = facts.server["volumes"] if facts.fallback_data_volumes else boot
    needed: Counter[str] = Counter()

    def count(what: str, volume: Mapping[str, Any], kind: str | None) -> None:
        for suffix in ("", f"_{kind}"):
            # snapshots count like volumes
            needed.update({f"{what}{suffix}": 1, f"gigabytes{suffix}": volume["size"]})

    for volume in boot:
        count("volumes", volume, facts.mirror_type.name if facts.mirror_type else volume.get("type"))
        count("snapshots", volume, volume.get("type"))
    for volume in copied:
        if facts.backup_offered is None:
            count("snapshots", volume, volume.get("type"))
        else:
            needed.update({"backups": 1, "backup_gigabytes": volume["size"]})
    return needed


def _room(facts: CloudFacts) -> Finding:
    if facts.moves:
        told = f"room is made on {facts.hosts[0]} by live migration of {'; '.join(facts.moves)}"
        return check("placement.room", False, told, "none is needed; free a host beforehand to avoid it", warn=True)
    return check(
        "placement.room",
        bool(facts.hosts),
        f"no host can take the surrogate: {facts.why_not}",
        "free or add a host of the flavor's kind",
    )
