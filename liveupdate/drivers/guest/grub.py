"""GRUB in a guest, set up as Debian does it: which kernel starts from now on."""

import re
from collections.abc import Iterator

from liveupdate.drivers.guest.guest import Guest

MENU = "/boot/grub/grub.cfg"
#: Read after the guest's own settings.
PIN = "/etc/default/grub.d/zz-liveupdate.cfg"
_PINNED = """\
# liveupdate was asked for this kernel while a newer one is installed.
# To start the newest again, remove this file and run update-grub.
GRUB_DEFAULT='{entry}'
"""
#: The power may be cut soon.
REMAKE = ("sh", "-c", "update-grub && sync")
#: Emptied first: whoever is interrupted finds it again.
UNPIN = ("sh", "-c", f"[ ! -e {PIN} ] || {{ : > {PIN} && update-grub && rm {PIN} && sync; }}")
_SECONDS = 300

_OPENS = re.compile(r"\s*(?:menuentry|submenu)\b(?:.*?\$menuentry_id_option\s+'([\w.+:~-]+)')?")
_KERNEL = re.compile(r"\s*linux\S*\s+\S*/vmlinuz-(\S+)")
_DEFAULT = re.compile(r"""^\s*set default=["']?([^"'\s$]+)["']?\s*$""", re.MULTILINE)


def unpin(guest: Guest) -> None:
    """What the guest itself has set up is in force again: the newest, as a rule. Raises GuestError."""
    guest.run(UNPIN, timeout=_SECONDS)


def pin(guest: Guest, release: str) -> bool:
    """Start this installed release, also when newer ones come; False if this guest's boot loader is not understood.

    Raises GuestError.
    """
    entry = entry_of(_menu(guest), release)
    if not entry and guest.run(REMAKE, timeout=_SECONDS, check=False).code == 0:
        # the menu was made by other hands
        entry = entry_of(_menu(guest), release)
    if not entry:
        return False
    guest.run(["install", "-d", PIN.rpartition("/")[0]])
    guest.put(PIN, _PINNED.format(entry=entry).encode(), 0o644)
    guest.run(REMAKE, timeout=_SECONDS)
    return default_of(_menu(guest)) == entry


def entry_of(menu: str, release: str) -> str:
    """What GRUB_DEFAULT must be so that ``release`` starts: ids from the outside in, joined by ">". "" if unknown."""
    wanted = f"gnulinux-{release}-advanced-"
    return next((">".join(path) for path, kernel in _entries(menu) if kernel == release and wanted in path[-1]), "")


def default_of(menu: str) -> str:
    """What starts unless the environment block names another: an entry's ids, or its number. "" if unknown."""
    found = _DEFAULT.findall(menu)
    return found[-1] if found else ""


def _menu(guest: Guest) -> str:
    return guest.run(["cat", MENU], check=False).stdout


def _entries(menu: str) -> Iterator[tuple[list[str], str]]:
    """(ids from the outside in, release) of every entry that starts a kernel."""
    path: list[str] = []
    for line in menu.splitlines():
        if opened := _OPENS.match(line):
            path.append(opened.group(1) or "")
        elif line.strip() == "}" and path:
            path.pop()
        elif path and all(path) and (kernel := _KERNEL.match(line)):
            yield list(path), kernel.group(1)
