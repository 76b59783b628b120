"""Builds the images: debian-12, and debian-12-pending, in which the newer kernel is installed but not yet booted."""

import hashlib
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import apt_source, settings
from lab.image import disk, versions
from lab.processes import Failed

HERE = Path(__file__).parent
HOME = settings.STATE / "image"
SIZE = 2 << 30
PACKAGES = ("mmdebstrap", "fdisk", "e2fsprogs")
GUEST_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "psmisc", "util-linux", "less"),
    *("iproute2", "iputils-ping", "iputils-arping", "nftables", "iptables", "socat", "openssh-server", "rsync"),
    *("criu", "python3", "python3-minimal", "python3-protobuf", "redis-server", "redis-tools", "postgresql-15"),
    *("cloud-init", "grub-pc", "initramfs-tools", "zstd", "linux-base", "busybox", "e2fsprogs", "ca-certificates"),
    *("open-iscsi", "multipath-tools"),
)
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


def build() -> None:
    """Both images in HOME, unless they are there. Raises Failed with the tail of what the builder said."""
    made = HOME / "made"
    if made.exists() and made.read_text() == version():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    old, new = versions.kernels()
    with ThreadPoolExecutor() as pool:
        for image in [pool.submit(_build, "debian-12", old, None), pool.submit(_build, "debian-12-pending", old, new)]:
            image.result()
    made.write_text(version())


def _build(name: str, kernel: str, pending: str | None) -> None:
    root = HOME / f"{name}.root"
    shutil.rmtree(root, ignore_errors=True)
    _root_file_system(root, kernel, pending)
    disk.make(root, HOME / f"{name}.raw", SIZE)
    shutil.rmtree(root)


def version() -> str:
    """Changes with what an image is made of here; Debian's own updates do not count."""
    files = sorted(file for file in HERE.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _root_file_system(root: Path, kernel: str, pending: str | None) -> None:
    newest = f"{versions.METAPACKAGE}={pending or kernel}"
    include = [*GUEST_PACKAGES, versions.image_package(kernel), newest]
    command = [
        *("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(include)}"),
        *('--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"'),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        # before the packages: the first initramfs is then the right one already
        # (and PostgreSQL's packages link their manual pages into folders that are left out)
        f"--setup-hook=mkdir -p $1/etc/initramfs-tools/conf.d $1/usr/share/man/man1 $1/usr/share/man/man7 && "
        f"cp {HERE}/files/etc/initramfs-tools/modules $1/etc/initramfs-tools/ && "
        f"cp {HERE}/files/etc/initramfs-tools/conf.d/lab $1/etc/initramfs-tools/conf.d/",
        f"--customize-hook=cp -rT --no-preserve=ownership {HERE}/files $1",
        f"--customize-hook=cp {HERE}/finish $1/finish && chroot $1 /finish {apt_source.URL} && rm $1/finish",
        *("bookworm", str(root)),
    ]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failed(f"mmdebstrap failed:\n{done.stdout[-3000:]}")
