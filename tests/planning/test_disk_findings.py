"""What lies on a guest's disks comes along whole, or file by file, or stands in the way: nothing is lost quietly."""

from typing import Any

import pytest

from liveupdate.model import Verdict
from liveupdate.planning import boot_set
from liveupdate.planning.disk_findings import judge

SERIAL = "0123456789abcdef0123"
SERVER: dict[str, Any] = {
    "local_disk": 0,
    "volumes": [{"id": "root", "boot": True, "serial": "ffff"}, {"id": "data", "boot": False}],
}
SERVER["volumes"][1]["serial"] = SERIAL


def mount(where: str, device: str = "/dev/vda2", disk: str = "virtio-ffff", **more: Any) -> dict[str, Any]:
    told = {"where": where, "device": device, "by_id": f"{disk}-part2", "disks": [disk], "fstype": "ext4"}
    return {**told, "options": "rw,relatime", **more}


ROOT = mount("/", "/dev/vda1")
DATA = mount("/data", "/dev/vdb", f"virtio-{SERIAL}")


def wrong(*mounts: dict[str, Any], local: int = 0, **guest: Any) -> dict[str, str]:
    found = judge({"mounts": [ROOT, *mounts], **guest}, {**SERVER, "local_disk": local})
    assert all(f.remedy and f.detail for f in found if f.verdict != Verdict.OK)
    return {f.code: str(f.verdict) for f in found if f.verdict != Verdict.OK}


@pytest.mark.parametrize(
    "fine",
    [
        DATA,
        mount("/boot"),
        mount("/boot/efi", fstype="vfat"),
        mount("/usr"),
        mount("/srv", "/dev/vda1"),
        mount("/home", "10.0.0.1:/home", fstype="nfs4", by_id="", disks=[]),
        mount("/snap/core", "/dev/loop0", fstype="squashfs", options="ro"),
        mount("/mnt", "/dev/vdc", "/dev/vdc", options="ro,noexec"),
        mount("/var/lib/docker/overlay2/x/merged", "overlay", fstype="overlay", by_id="", disks=[]),
    ],
    ids=lambda m: m["where"],
)
def test_what_comes_along_or_needs_not_is_fine(fine: dict[str, Any]) -> None:
    assert wrong(fine) == {}


@pytest.mark.parametrize(
    "lost",
    [
        mount("/home"),
        mount("/var/lib/mysql"),
        mount("/mnt", "/dev/vdc", "/dev/vdc"),
        mount("/home", "/dev/vda1", fstype="btrfs"),
        mount("/opt", "/dev/mapper/vg-opt", by_id="dm-name-vg-opt"),
    ],
    ids=["partition", "a unit's files", "ephemeral disk", "subvolume", "LVM on the boot volume"],
)
def test_what_would_lose_writes_stands_in_the_way(lost: dict[str, Any]) -> None:
    assert wrong(lost) == {"guest.file-systems": "block"}


def test_a_root_that_spans_two_volumes_is_refused() -> None:
    spanned = mount("/", "/dev/mapper/vg-root", disks=["virtio-ffff", f"virtio-{SERIAL}"], by_id="dm-name-vg-root")
    guest = {"mounts": [spanned], "fstab": [{"source": "LABEL=root", "where": "/"}]}
    found = judge(guest, {**SERVER, "volumes": boot_set.decide(SERVER["volumes"], guest)})
    assert {f.code for f in found if f.verdict == Verdict.BLOCK} == {"volume.layered"}


def test_a_data_volume_below_lvm_is_refused() -> None:
    layered = mount("/data", "/dev/mapper/vg-data", by_id="dm-name-vg-data", disks=[f"virtio-{SERIAL}"])
    assert wrong(layered) == {"volume.layered": "block"}


def test_swap_on_a_data_volume_is_refused_and_elsewhere_fine() -> None:
    assert wrong(swaps=[{"device": "/dev/vdb2", "disks": [f"virtio-{SERIAL}"]}]) == {"volume.swap": "block"}
    assert wrong(swaps=[{"device": "/dev/vdc", "disks": ["/dev/vdc"]}], local=1) == {}


def test_names_that_depend_on_an_order_are_warned_of() -> None:
    table = [{"source": "/dev/vdb1", "where": "/data", "fstype": "ext4"}, {"source": "/dev/vdc", "fstype": "swap"}]
    assert wrong(DATA, fstab=table) == {"guest.fstab-names": "warn"}
    assert wrong(DATA, fstab=[{"source": "UUID=1-2", "where": "/data", "fstype": "ext4"}]) == {}


def test_a_flavors_swap_disk_has_another_name_on_the_surrogate() -> None:
    table = [{"source": "UUID=1-2", "where": "none", "fstype": "swap"}]
    assert wrong(fstab=table, local=1) == {"guest.fstab-swap": "warn"}
    assert wrong(fstab=table) == {}


def test_a_guest_that_mounts_a_thousand_things_is_told_in_a_few_words() -> None:
    found = judge({"mounts": [ROOT, *(mount(f"/m{n}" * 60) for n in range(1000))]}, SERVER)
    [told] = [f.detail for f in found if f.verdict == Verdict.BLOCK]
    assert "and 990 more" in told
    assert len(told) < 1500
