"""Which volumes are of the boot set: what is mounted decides, and their owners; what is ambiguous is refused."""

from typing import Any

import pytest

from liveupdate.model import Verdict
from liveupdate.planning import boot_set, disk_findings, move

SERIAL = "0123456789abcdef0123"
ROOT = {"id": "root", "boot": True, "root": True, "serial": "ffff", "metadata": {}, "multiattach": False}
SECOND = {"id": "second", "boot": False, "root": False, "serial": SERIAL, "metadata": {}, "multiattach": False}


def mount(where: str, name: str = f"virtio-{SERIAL}", *, disk: str = "", **more: Any) -> dict[str, Any]:
    by_id = f"/dev/disk/by-id/{name}"
    disks = [disk or by_id.partition("-part")[0]]
    told = {"where": where, "device": f"/dev/{name}", "by_id": by_id, "disks": disks, "fstype": "ext4"}
    return {**told, "options": "rw", **more}


def entry(where: str, source: str = "", options: str = "defaults") -> dict[str, str]:
    return {"source": source or f"LABEL={where}", "where": where, "fstype": "ext4", "options": options}


TOP = mount("/", "virtio-ffff-part1")


def guest(*mounts: dict[str, Any], fstab: Any = None) -> dict[str, Any]:
    every = [TOP, *mounts]
    return {"mounts": every, "fstab": [entry(m["where"]) for m in every] if fstab is None else fstab}


def decided(seen: dict[str, Any], said: str | None = None, **server: Any) -> dict[str, Any]:
    """The server with its boot set as decided."""
    second = {**SECOND, "metadata": {} if said is None else {boot_set.WORD: said}}
    return {"local_disk": 0, "volumes": boot_set.decide([ROOT, second], seen), **server}


def of_boot_set(*places: str, said: str | None = None) -> list[str]:
    return [v["id"] for v in boot_set.members(decided(guest(*map(mount, places)), said)["volumes"])]


def blocked(seen: dict[str, Any], said: str | None = None, **server: Any) -> set[str]:
    found = disk_findings.judge(seen, decided(seen, said, **server))
    assert all(f.detail and f.remedy for f in found if f.verdict != Verdict.OK)
    return {f.code for f in found if f.verdict == Verdict.BLOCK}


@pytest.mark.parametrize(
    "where", ["/usr", "/usr/local", "/var", "/boot", "/var/lib", "/var/log", "/var/cache", "/var/tmp", "/opt"]
)
def test_what_packages_write_to_is_of_the_boot_set(where: str) -> None:
    assert of_boot_set(where) == ["root", "second"]
    assert blocked(guest(mount(where))) == set()


@pytest.mark.parametrize("where", ["/home", "/srv", "/data", "/var/lib/mysql", "/opt/app", "/mnt", "/tmp"])
def test_everything_else_is_data(where: str) -> None:
    assert of_boot_set(where) == ["root"]
    assert blocked(guest(mount(where))) == set()


@pytest.mark.parametrize(
    ("where", "said", "found"),
    [
        ("/home", "true", ["root", "second"]),
        ("/opt", "false", ["root"]),
        ("/var", "true", ["root", "second"]),
        ("/home", "false", ["root"]),
    ],
)
def test_the_owner_may_say_so(where: str, said: str, found: list[str]) -> None:
    assert of_boot_set(where, said=said) == found
    assert blocked(guest(mount(where)), said) == set()


@pytest.mark.parametrize(
    ("places", "said", "code"),
    [
        (["/var"], "false", "volume.boot-set-not-data"),
        (["/var", "/srv"], None, "volume.boot-set-mixed"),
        (["/opt", "/home"], None, "volume.boot-set-mixed"),
        ([], "true", "volume.boot-set-unmounted"),
        (["/data"], "yes", "owner.boot-set"),
        (["/data"], "", "owner.boot-set"),
    ],
)
def test_what_is_ambiguous_or_contradictory_is_refused(places: list[str], said: str | None, code: str) -> None:
    seen = guest(*(mount(where, f"virtio-{SERIAL}-part{n}") for n, where in enumerate(places)))
    assert blocked(seen, said) == {code}


def test_with_the_owners_word_a_volume_of_both_is_copied_as_a_whole() -> None:
    seen = guest(mount("/var", f"virtio-{SERIAL}-part1"), mount("/srv", f"virtio-{SERIAL}-part2"))
    assert blocked(seen, "true") == set()
    found = {"server": decided(seen, "true"), "guest": seen}
    assert [s["where"] for s in boot_set.systems(found)] == ["/var", "/srv"]
    assert move.data_mounts(found) == []


def test_it_is_told_that_a_volume_is_of_the_boot_set_and_why() -> None:
    seen = guest(mount("/var"))
    [told] = [f for f in disk_findings.judge(seen, decided(seen)) if f.code == "volume.boot-set"]
    assert (told.verdict, told.subject) == (Verdict.WARN, "second")
    assert told.detail.startswith("/var belongs to the operating system")


@pytest.mark.parametrize(
    "source", ["/dev/vdb", f"/dev/disk/by-id/virtio-{SERIAL}", "/dev/disk/by-path/pci-0000:00:05.0", ""]
)
def test_a_name_that_a_copy_does_not_have_is_refused(source: str) -> None:
    table = [entry("/"), entry("/var", source)] if source else [entry("/")]
    assert blocked(guest(mount("/var"), fstab=table)) == {"volume.boot-set-names"}


@pytest.mark.parametrize("source", ["UUID=1", "LABEL=x", "PARTUUID=2", "PARTLABEL=y", "/dev/disk/by-uuid/1"])
def test_a_name_that_a_copy_has_too_is_fine(source: str) -> None:
    assert blocked(guest(mount("/var"), fstab=[entry("/"), entry("/var", source)])) == set()


def test_what_is_not_mounted_at_boot_is_refused() -> None:
    table = [entry("/"), entry("/var", options="noauto,rw")]
    assert blocked(guest(mount("/var"), fstab=table)) == {"volume.boot-set-names"}


def test_a_bind_mount_is_not_carried_twice() -> None:
    bind = {**mount("/srv/log"), "device": f"/dev/virtio-{SERIAL}"}
    seen = guest(mount("/var"), bind, fstab=[entry("/"), entry("/var"), entry("/srv/log", "/var/log", "bind")])
    assert blocked(seen, "true") == set()
    assert [s["where"] for s in boot_set.systems({"server": decided(seen, "true"), "guest": seen})] == ["/var"]


@pytest.mark.parametrize("kind", ["btrfs", "vfat", "squashfs"])
@pytest.mark.parametrize("where", ["/var", "/usr"])
def test_a_file_system_that_cannot_be_synchronised_is_refused(where: str, kind: str) -> None:
    assert blocked(guest(mount(where, fstype=kind))) == {"volume.boot-set-file-system"}


def test_an_efi_partition_beside_it_is_static() -> None:
    seen = guest(mount("/boot", f"virtio-{SERIAL}-part1"), mount("/boot/efi", f"virtio-{SERIAL}-part2", fstype="vfat"))
    assert blocked(seen) == set()
    assert boot_set.systems({"server": decided(seen), "guest": seen}) == [], "nobody looks for changes there"


def test_layers_of_the_guests_own_are_refused() -> None:
    layered = mount("/var", "dm-name-vg-var", disk=f"/dev/disk/by-id/virtio-{SERIAL}")
    assert blocked(guest(layered)) == {"volume.layered"}


def test_a_root_disk_on_the_host_cannot_be_copied_at_the_same_moment() -> None:
    seen = guest(mount("/var"))
    server = decided(seen, image_id="debian")
    server["volumes"] = server["volumes"][1:]
    found = {f.code for f in disk_findings.judge(seen, server) if f.verdict == Verdict.BLOCK}
    assert found == {"volume.boot-set-local-root"}


def test_swap_on_a_volume_of_the_boot_set_is_the_copys_own() -> None:
    seen = guest(mount("/var", f"virtio-{SERIAL}-part1"))
    seen["swaps"] = [{"device": "/dev/vdb2", "disks": [f"/dev/disk/by-id/virtio-{SERIAL}"]}]
    assert blocked(seen) == set()


def test_another_partition_of_the_boot_volume_is_synchronised_too() -> None:
    home = mount("/home", "virtio-ffff-part2")
    assert blocked(guest(home)) == set()
    found = {"server": decided(guest(home)), "guest": guest(home)}
    assert boot_set.systems(found) == [{"where": "/home", "volume_id": "root"}]
    assert blocked(guest(home, fstab=[entry("/"), entry("/home", "/dev/vda2")])) == {"guest.file-systems"}


def test_each_guest_is_told_of_its_own_disks() -> None:
    seen = guest(mount("/var"))
    server = {**decided(seen), "ports": [{"address": "10.0.0.10", "prefix": 24, "mac": "fa:16:3e:00:00:01"}]}
    described = move.describe(
        "original",
        "job",
        {"server": server, "guest": seen, "units": []},
        {},
        {},
        since=1.0,
        dead_man=60,
        open_within=60,
        devices={},
        serials={"root": "ffff", "second": SERIAL},
    )
    assert described["systems"] == [{"where": "/var", "serial": SERIAL}]
    assert described["mounts"] == []


def test_of_an_older_release_there_is_one_boot_volume_and_nothing_beside_the_root() -> None:
    old = [{k: v for k, v in volume.items() if k != "root"} for volume in (ROOT, SECOND)]
    seen = guest(mount("/usr", "virtio-ffff-part2"))
    assert [v["id"] for v in boot_set.members(old)] == ["root"]
    assert boot_set.systems({"server": {"volumes": old}, "guest": seen}) == []
