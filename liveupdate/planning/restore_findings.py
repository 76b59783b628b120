"""What stands in the way of bringing a server back from its fallback: facts in, findings out. Pure.

One function per check; each returns one finding, also when all is well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from liveupdate.model import Finding, Json
from liveupdate.planning import boot_set
from liveupdate.planning.checks import check, quota
from liveupdate.planning.parts import Part
from liveupdate.planning.server_findings import free

_STATES = ("ACTIVE", "SHUTOFF")


@dataclass(frozen=True)
class RestoreFacts:
    """``server`` as in the preflight's result; ``statuses``: cloud id of a part → its status, "" if it is gone.

    ``stands_for``: cloud id of a copy → the volume whose place its content takes. ``quota_left``: name → how many
    more, unlimited ones missing. ``data_volumes``: they go back, too.
    """

    server: Json
    parts: Sequence[Part]
    statuses: Mapping[str, str]
    stands_for: Mapping[str, str]
    #: Hosts that can take the new server beside the one it replaces, and why the others cannot.
    hosts: Sequence[str]
    why_not: str
    quota_left: Mapping[str, int]
    made_at: str
    #: The port that the update has attached by its id.
    port_id: str
    data_volumes: bool = False


def judge(facts: RestoreFacts) -> list[Finding]:
    return [*_server(facts.server), _port(facts), *_fallback(facts), _quota(facts), _room(facts), *_consequences(facts)]


def sources(facts: RestoreFacts) -> list[Part]:
    """The copies that volumes are made from: the boot volume's, and the data volumes' if they go back."""
    copies = [p for p in facts.parts if p.kind != "volume"]
    return [p for p in copies if p.boot or facts.data_volumes]


def _server(server: Json) -> Iterator[Finding]:
    yield check(
        "server.state",
        server["status"] in _STATES,
        f"the server is {server['status']}",
        f"bring it into one of: {', '.join(_STATES)}",
    )
    yield from free(server)
    yield check(
        "volume.boot",
        bool(server.get("image_id")) or boot_set.has_root(server["volumes"]),
        "it does not boot from exactly one volume, or from a disk on its host",
        "restore it by hand",
    )
    for volume in server.get("inside", ()):
        yield check(
            "volume.inside",
            False,
            "the guest attaches it by itself: the restored server will not have it",
            "make a Cinder attachment for the restored server's initiator, and log in there",
            subject=volume["id"],
            warn=True,
        )
    yield check(
        "port.one",
        len(server["ports"]) == 1,
        f"it has {len(server['ports'])} ports; exactly one is supported yet",
        "take the others off for the restore",
    )


def _port(facts: RestoreFacts) -> Finding:
    others = [port["id"] for port in facts.server["ports"] if port["id"] != facts.port_id]
    return check(
        "port.attached-by-id",
        not others,
        f"port {', '.join(others)} is not the one of the update: taken off, Nova might delete it, with its address",
        "give the server its port back, or boot a server from a volume of the fallback's snapshot by hand",
    )


def _fallback(facts: RestoreFacts) -> Iterator[Finding]:
    used = sources(facts)
    yield check(
        "fallback.boot",
        any(p.root for p in used),
        "the fallback holds no copy of the boot volume",
        "boot a server from the old volume, if that is still there",
    )
    yield check(
        "fallback.boot-kind",
        all((p.kind == "image") == bool(facts.server.get("image_id")) for p in used if p.root),
        "the server's root disk is not of the kind that the fallback is a copy of",
        "boot a server from the fallback's image or snapshot by hand",
    )
    for part in used:
        status = facts.statuses.get(part.cloud_id, "")
        yield check(
            "fallback.available",
            status in ("available", "active"),
            f"{part.kind} {part.name} is {status or 'gone'}",
            "see in Cinder, or Glance, what became of it",
            subject=part.cloud_id,
        )
    for part in used:
        if part.boot and not part.root:
            yield check(
                "fallback.boot-volume-there",
                _is_there(facts, part),
                f"volume {part.volume_id} is not, or not only, on the server any more",
                "attach it to this server only, or boot a server from the fallback by hand",
                subject=part.volume_id,
            )
    if not facts.data_volumes:
        return
    data = [p for p in used if not p.boot]
    yield check(
        "fallback.data-volumes",
        bool(data),
        "the fallback holds no copies of data volumes",
        "restore without data_volumes; for the next update ask for fallback_data_volumes",
    )
    for part in data:
        yield check(
            "fallback.data-volume-there",
            _is_there(facts, part),
            f"volume {part.volume_id} is not, or not only, on the server any more",
            "attach it to this server only, or restore without data_volumes",
            subject=part.volume_id,
        )


def _is_there(facts: RestoreFacts, part: Part) -> bool:
    """Whether the volume that is to be replaced is on this server, and on no other."""
    there = {v["id"]: v for v in facts.server["volumes"]}
    volume = there.get(facts.stands_for.get(part.cloud_id, ""))
    return volume is not None and len(volume["servers"]) == 1


def _quota(facts: RestoreFacts) -> Finding:
    """The server that is put aside stays until the new one serves: both count for a while."""
    used = sources(facts)
    replaced = sum(v["size"] for v in facts.server["volumes"] if v["boot"]) + sum(p.size for p in used if not p.boot)
    volumes = [p for p in used if p.kind != "image"]
    needed = {
        "instances": 1,
        "cores": facts.server["vcpus"],
        "ram": facts.server["memory"],
        "volumes": len(volumes),
        "snapshots": len(volumes),
        # a snapshot of each volume that is replaced, besides the volumes
        "gigabytes": sum(p.size for p in volumes) + replaced,
    }
    return quota(needed, facts.quota_left)


def _room(facts: RestoreFacts) -> Finding:
    return check(
        "placement.room",
        bool(facts.hosts),
        f"no host can take the new server: {facts.why_not}",
        "free or add a host of the flavor's kind",
    )


def _consequences(facts: RestoreFacts) -> Iterator[Finding]:
    """What is so in every restore, and to be known beforehand."""
    boot = "boot volumes" if sum(p.boot for p in sources(facts)) > 1 else "boot volume"
    what = f"{boot} and the data volumes" if facts.data_volumes else boot
    yield check(
        "restore.loses",
        False,
        f"what was written to the {what} since {facts.made_at} is not in the fallback",
        "it is kept in the fallback that the restore itself takes, as long as that is kept",
        warn=True,
    )
    yield check(
        "restore.new-server-id",
        False,
        "Nova exchanges no boot volumes: the server gets a new id, on the same port with the same addresses",
        "its metadata liveupdate:replaces names the old id",
        warn=True,
    )
    yield check(
        "server.local-disk",
        not facts.server.get("local_disk"),
        f"its {facts.server.get('local_disk')} GiB of ephemeral disk or swap are new and empty afterwards",
        "copy from them what is needed",
        warn=True,
    )
    yield check(
        "guest.first-boot",
        any(p.boot and p.noted for p in sources(facts)),
        "a cloud-init in the guest takes the new server id for a new machine: it may make new ssh host keys and run "
        "user data again",
        "see in the server's user data what would run again",
        warn=True,
    )
