"""The disk's first boot, and the packages' index."""

import subprocess
from pathlib import Path

from lab import apt_source
from lab.image import disk


def kernels(root: Path, *versions: str) -> Path:
    (root / "boot/grub/i386-pc").mkdir(parents=True)
    for version in versions:
        (root / f"boot/vmlinuz-{version}").touch()
    return root


def test_the_first_boot_takes_the_oldest_kernel_and_every_later_one_the_newest(tmp_path: Path) -> None:
    menu = disk._menu(kernels(tmp_path, "6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"), "uuid")
    entries = [line.split('"')[1] for line in menu.splitlines() if line.startswith("menuentry")]
    assert entries == ["Debian 6.1.0-56-cloud-amd64", "Debian 6.1.0-9-cloud-amd64"]
    later, first = menu.split("else")
    assert "set default=0" in later
    assert "set default=1" in first
    assert "save_env booted" in first


def test_the_disk_is_bootable_and_its_file_system_is_whole(tmp_path: Path) -> None:
    root = kernels(tmp_path / "root", "6.1.0-9-cloud-amd64")
    (root / "boot/grub/i386-pc/boot.img").write_bytes(b"B" * 512)
    (root / "boot/grub/i386-pc/core.img").write_bytes(b"C" * 30_000)
    made = tmp_path / "made.raw"
    disk.make(root, made, 64 << 20)
    with made.open("rb") as file:
        first = file.read(512)
        assert first[:440] == b"B" * 440
        assert first[510:] == b"\x55\xaa"  # the partition table survived the boot loader
        assert file.read(30_000) == b"C" * 30_000
    partition = f"{made}?offset={disk.START}"
    check = subprocess.run(["/sbin/e2fsck", "-fn", partition], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


def test_the_index_tells_what_a_package_must_hash_to(tmp_path: Path) -> None:
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    control = "Package: kernel\nVersion: 2\nArchitecture: all\nMaintainer: lab\nDescription: one\n"
    (tmp_path / "tree/DEBIAN/control").write_text(control)
    package = tmp_path / "kernel_2_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tmp_path / "tree"), str(package)], check=True, capture_output=True)
    entry = apt_source._entry(package)
    assert entry.startswith(control)
    digest = subprocess.run(["sha256sum", str(package)], check=True, capture_output=True, text=True).stdout.split()[0]
    assert f"\nFilename: kernel_2_all.deb\nSize: {package.stat().st_size}\nSHA256: {digest}\n\n" in entry
