"""Turns a copy of a server's disk into an image: what is one machine's own goes, and the machine halts.

It runs on the copy only: the guard says of whom this is a copy, the SMBIOS UUID which server it is. ``seal_prepare``
checks that and leaves an order in memory; ``seal`` carries it out, as a unit of its own, since it ends every way in.
Cut short anywhere, it does the rest when it is started again; the guard is the last to go. The console gets the last
word: who reads it knows that all was done.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress

from . import guard, places, witness
from .broom import Broom
from .errors import GuestError
from .external import run
from .inspect import mounts

ORDER = f"{places.ROOT}/seal.json"
CONSOLE = "/dev/console"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Folders whose content goes; they themselves, and who may write there, stay.
_EMPTIED = (
    "tmp", "var/tmp", "var/crash", "var/lib/systemd/coredump", "var/mail", "var/log/journal",
    "var/lib/dhcp", "var/lib/dhclient", "var/lib/dhcpcd", "var/lib/NetworkManager", "var/lib/systemd/network",
    "var/lib/wicked",
)  # fmt: skip
_GONE = (
    # what cloud-init knows of the instance; its seeds, and scripts that somebody put there, stay
    "var/lib/cloud/[!s]*", "var/lib/cloud/sem", "var/log/cloud-init*.log*",
    # networks of the instance, by the names that cloud-init gives to its files
    "etc/netplan/50-cloud-init.yaml", "etc/network/interfaces.d/50-cloud-init*",
    "etc/systemd/network/10-cloud-init-*", "etc/NetworkManager/system-connections/cloud-init-*",
    "etc/udev/rules.d/70-persistent-net.rules", "etc/udev/rules.d/85-persistent-net-cloud-init.rules",
    # secrets that would be the same in every server
    "var/lib/systemd/random-seed", "var/lib/urandom/random-seed", "var/lib/random-seed", "boot/efi/loader/random-seed",
    "var/lib/systemd/credential.secret",
    # ours, of this update and of earlier ones
    "etc/cloud/cloud.cfg.d/9?-liveupdate*.cfg", "etc/systemd/network/10-liveupdate-*.link", "var/lib/liveupdate",
)  # fmt: skip
#: Removed if cloud-init says in them that it wrote them.
_PERHAPS = ("etc/sysconfig/network-scripts/ifcfg-*", "etc/sysconfig/network/ifcfg-*", "etc/network/interfaces")
_BY_CLOUD_INIT = (b"cloud-init", b"Created by cloud-init")
_OF_USERS = (
    ".bash_history", ".ash_history", ".sh_history", ".zsh_history", ".python_history", ".psql_history",
    ".mysql_history", ".mariadb_history", ".sqlite_history", ".rediscli_history", ".node_repl_history",
    ".irb_history", ".lesshst", ".viminfo", ".wget-hsts", ".local/share/fish/fish_history",
)  # fmt: skip
_ROTATED = re.compile(r".*(\.(gz|xz|bz2|zst|old|[0-9]+)|-[0-9]{8})")


def seal_prepare(original_uuid: str, instance_uuid: str, word: str) -> dict[str, str]:
    """Check that this machine is the server ``instance_uuid``, booted from a copy of ``original_uuid``.

    ``word``: what the console is told at the end, a UUID. Raises GuestError(guest.not-the-copy); changes nothing.
    """
    order = {"original": original_uuid, "instance": instance_uuid, "word": word}
    if bad := [value for value in order.values() if not _UUID.fullmatch(value)]:
        raise GuestError("guest.bad-order", f"{bad[0][:50]!r} is no UUID")
    if _order() == order:
        return {}
    if guard.original() != original_uuid:
        raise _not_the_copy(f"its guard is of {guard.original() or 'nobody'}")
    _check(order)
    places.make_root()
    places.write_private(ORDER, json.dumps(order))
    return {}


def seal() -> None:
    """Carry out the order, and halt. Raises GuestError where there is none, or it is for another machine."""
    order = _order()
    if order is None:
        raise _not_the_copy("nobody has ordered it")
    _check(order)
    _quiet()
    clean(Broom("/", frozenset(os.stat(m["where"]).st_dev for m in mounts() if m["device"].startswith("/dev/"))))
    os.sync()
    told = f"\nliveupdate: sealed {order['word']}\n".encode()
    console = os.open(CONSOLE, os.O_WRONLY | os.O_NOCTTY)
    # the kernel may speak in between
    for _ in range(2):
        os.write(console, told)
    # not by way of the units: they would write logs and seeds anew; and not off, for the console to be read still
    run(["systemctl", "--force", "halt"])


def clean(broom: Broom) -> None:
    """Everything that may be taken from a disk that is nobody's: what lets one in, and the guard, at the end."""
    for folder in _EMPTIED:
        broom.empty(folder)
    broom.remove(*_GONE)
    for path in broom.find(*_PERHAPS):
        if any(word in broom.head(path) for word in _BY_CLOUD_INIT):
            broom.remove(path)
    _clean_logs(broom)
    broom.write("etc/hostname", "localhost\n")
    # empty: the next boot makes one, and is no first boot otherwise
    broom.write("etc/machine-id", "")
    if not broom.is_link("var/lib/dbus/machine-id"):
        broom.remove("var/lib/dbus/machine-id")
    homes = _homes(broom)
    broom.remove(*(f"{home}/{name}" for home in homes for name in _OF_USERS))
    witness.install(broom)
    broom.remove(*(f"{home}/.ssh" for home in homes), "etc/ssh/ssh_host_*")
    broom.remove(guard.GENERATOR.lstrip("/"), guard.RULE.lstrip("/"))
    broom.remove(places.GUARD.lstrip("/"))


def _clean_logs(broom: Broom) -> None:
    """Rotated ones go; who writes to the others wants to find them."""
    for path in broom.files("var/log"):
        if _ROTATED.fullmatch(path):
            broom.remove_exactly(path)
        else:
            broom.write(path, "")


def _homes(broom: Broom) -> list[str]:
    """Of everybody whom the machine knows by itself, beneath the root."""
    told = [line.split(":") for line in broom.read("etc/passwd").splitlines()]
    named = {os.path.normpath(fields[5]).lstrip("/") for fields in told if len(fields) > 6}
    return sorted({home for home in named if home not in ("", ".")} | set(broom.find("home/*")) | {"root"})


def _quiet() -> None:
    """Logs are kept in memory from here on."""
    folder = "/run/systemd/journald.conf.d"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/liveupdate.conf", "w", encoding="ascii") as file:
        file.write("[Journal]\nStorage=volatile\n")
    run(["systemctl", "restart", "systemd-journald.service"], check=False)
    run(["systemctl", "stop", "syslog.socket", "rsyslog.service", "syslog-ng.service"], check=False)


def _check(order: dict[str, str]) -> None:
    here = guard.uuid()
    if here != order["instance"] or here == order["original"]:
        raise _not_the_copy(f"it is {here}")
    # gone already: a former run was cut short at its very end, in this very boot
    if (there := guard.original()) and there != order["original"]:
        raise _not_the_copy(f"its guard is of {there}")


def _order() -> dict[str, str] | None:
    with suppress(FileNotFoundError, ValueError), open(ORDER, encoding="utf-8") as file:
        order: dict[str, str] = json.load(file)
        return order
    return None


def _not_the_copy(why: str) -> GuestError:
    return GuestError("guest.not-the-copy", f"this machine is not the copy that may be sealed: {why}")
