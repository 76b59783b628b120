"""Whether a server can be captured as a golden image: facts in, findings out. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liveupdate.model import Finding, Json
from liveupdate.planning import boot_set
from liveupdate.planning.checks import check, quota
from liveupdate.planning.server_findings import active, free, host_key


@dataclass(frozen=True)
class CaptureFacts:
    """``server`` as in the preflight's result; ``wanted``: ids of the data volumes asked for."""

    server: Json
    wanted: Sequence[str]
    quota_left: Mapping[str, int]
    host_key: str


def chosen(server: Json, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The volumes that become the image: the boot set in its order, then the data volumes, as asked for."""
    volumes = {v["id"]: v for v in server["volumes"]}
    data = [volumes[i] for i in dict.fromkeys(wanted) if i in volumes and not volumes[i]["boot"]]
    return boot_set.members(server["volumes"]) + data


def judge(facts: CaptureFacts) -> list[Finding]:
    """Of the cloud; with one of verdict block there is no use in looking into the guest."""
    return [*_server(facts), *_volumes(facts), _port(facts.server["ports"]), _quota(facts)]


def judge_guest(seen: Json, server_id: str) -> list[Finding]:
    return [
        check(
            "capture.systemd",
            bool(seen.get("systemd")),
            "it has no systemd, which keeps the workload from starting on the copy",
            "make an image of the stopped server by hand",
        ),
        check(
            "capture.cloud-init",
            bool(seen.get("cloud_init")),
            "it has no cloud-init, which would give a new server its own identity",
            "install cloud-init",
        ),
        check(
            "capture.machine",
            str(seen.get("smbios_uuid", "")).lower() == server_id,
            "the guest does not know its server's id, so that a copy could not be told from it",
            "use a hypervisor that passes the server's id on",
        ),
    ]


def left_behind(server: Json, seen: Json, wanted: Sequence[str]) -> Iterator[Finding]:
    """Parts of the operating system that would not be in the image. ``server``: with its boot set as decided."""
    taken = {volume["id"] for volume in chosen(server, wanted)}
    for volume in server["volumes"]:
        parts = boot_set.parts(volume, seen)
        yield check(
            "capture.boot-set",
            volume["id"] in taken or not parts,
            f"parts of the operating system lie on it ({boot_set.listed(parts)}), and it is not captured",
            f"ask for this volume, too, or set its metadata {boot_set.WORD} to true",
            subject=volume["id"],
        )


def wished(parameters: Json, server: Json, seen: Json) -> list[Finding]:
    """Of an update after which the server is to be captured; none if it is not."""
    wish = parameters.get("capture")
    if not wish:
        return []
    left = left_behind(server, seen, wish["volumes"])
    return [*_wanted(server, wish["volumes"]), *judge_guest(seen, server["id"]), *left]


def _server(facts: CaptureFacts) -> Iterator[Finding]:
    server = facts.server
    yield active(server)
    yield from free(server)
    yield check(
        "server.local-disk",
        not server["local_disk"],
        f"{server['local_disk']} GiB of ephemeral disk or swap on its host are not captured",
        "none is needed where nothing on them is missed",
        warn=True,
    )
    yield host_key(facts.host_key)


def _volumes(facts: CaptureFacts) -> Iterator[Finding]:
    yield check(
        "capture.boot-volume",
        boot_set.has_root(facts.server["volumes"]),
        "it does not boot from exactly one volume",
        "only servers that boot from a volume can be captured yet; of others Nova makes images by itself",
    )
    yield from _wanted(facts.server, facts.wanted)
    for volume in chosen(facts.server, facts.wanted):
        yield check(
            "capture.volume-shared",
            len(volume["servers"]) == 1,
            f"it is on {len(volume['servers'])} servers: one of them alone cannot hold it still",
            "leave it out, or take it off the others",
            subject=volume["id"],
        )


def _wanted(server: Json, wanted: Sequence[str]) -> Iterator[Finding]:
    there = {volume["id"] for volume in server["volumes"]}
    for volume_id in wanted:
        yield check(
            "capture.volume",
            volume_id in there,
            "this volume is not on the server",
            "openstack server volume list",
            subject=volume_id,
        )


def _port(ports: Sequence[Mapping[str, Any]]) -> Finding:
    fit = bool(ports) and bool(ports[0]["fixed_ips"]) and ports[0]["version"] == 4 and ports[0]["vnic_type"] == "normal"
    return check(
        "port.address",
        fit,
        "its first port is not an ordinary one with an address of IPv4: the copy needs one beside it",
        "give it such a port",
    )


def _quota(facts: CaptureFacts) -> Finding:
    """For a while there are a snapshot of each volume, its copy, and a snapshot of the copy."""
    needed = Counter({"instances": 1, "cores": facts.server["vcpus"], "ram": facts.server["memory"], "port": 1})
    for volume in chosen(facts.server, facts.wanted):
        for suffix in ("", f"_{volume['type']}"):
            counted = {f"volumes{suffix}": 1, f"snapshots{suffix}": 2, f"gigabytes{suffix}": 3 * volume["size"]}
            needed.update(counted)
    return quota(needed, facts.quota_left)
