"""A bootable raw disk from a folder: MBR, one ext4 partition, GRUB for BIOS. Needs neither mounts nor loop devices."""

import subprocess
import uuid
from pathlib import Path

SECTOR = 512
#: Where the partition begins; GRUB's core lies in the gap before it.
START = 2048 * SECTOR


def make(root: Path, disk: Path, size: int) -> None:
    """Write the folder, which holds GRUB's images already, onto a sparse disk of size bytes."""
    draft = disk.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with draft.open("wb") as file:
        file.truncate(size)
    _run("sfdisk", "--quiet", str(draft), text=f"label: dos\nstart={START // SECTOR}, type=83, bootable\n")
    identity = str(uuid.uuid4())
    (root / "boot/grub/grub.cfg").write_text(_menu(root, identity))
    _run(
        *("mke2fs", "-q", "-t", "ext4", "-L", "root", "-U", identity, "-d", str(root)),
        *("-O", "^metadata_csum_seed,^orphan_file", "-E", f"offset={START}", str(draft), f"{(size - START) // 1024}k"),
    )
    grub = root / "boot/grub/i386-pc"
    with draft.open("r+b") as file:
        file.write((grub / "boot.img").read_bytes()[:440])  # the partition table follows
        file.seek(SECTOR)
        core = (grub / "core.img").read_bytes()
        if SECTOR + len(core) > START:
            raise ValueError("GRUB's core does not fit before the partition")
        file.write(core)
    draft.replace(disk)


def _menu(root: Path, identity: str) -> str:
    """The oldest kernel at the first boot, then the newest; after the first update-grub the menu is Debian's own."""
    kernels = sorted((file.name.removeprefix("vmlinuz-") for file in (root / "boot").glob("vmlinuz-*")), key=_order)
    entries = "".join(_entry(kernel, identity) for kernel in reversed(kernels))
    return f"""\
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
load_env
if [ "$booted" = yes ]; then
  set default=0
else
  set default={len(kernels) - 1}
  set booted=yes
  save_env booted
fi
{entries}"""


def _entry(kernel: str, identity: str) -> str:
    return f"""\
menuentry "Debian {kernel}" {{
  search --no-floppy --fs-uuid --set=root {identity}
  linux /boot/vmlinuz-{kernel} root=UUID={identity} ro console=ttyS0 mitigations=off nokaslr tsc=reliable quiet
  initrd /boot/initrd.img-{kernel}
}}
"""


def _order(kernel: str) -> list[int]:
    return [int(part) for part in kernel.replace("+", ".").replace("-", ".").split(".") if part.isdigit()]


def _run(*argv: str, text: str = "") -> None:
    subprocess.run(argv, check=True, text=True, input=text, capture_output=True)
