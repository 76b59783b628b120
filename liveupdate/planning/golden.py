"""What a golden image says of itself: its properties, from facts. Pure.

What the guest has told is checked for its form before anything else sees it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.planning.boot_set import is_root

KERNEL, PACKAGES = "liveupdate:kernel", "liveupdate:packages"
MACHINE_ID, HOST_KEY = "liveupdate:machine_id", "liveupdate:host_key"
FILESYSTEMS, CAPTURED_AT = "liveupdate:filesystems", "liveupdate:captured_at"
SOURCE_SERVER, SOURCE_IMAGE = "liveupdate:source_server", "liveupdate:source_image"

#: Nova keeps no more of a property with a server.
_LENGTH = 255
#: Of the source's own image: what guests and hypervisors go by.
_COPIED = re.compile(r"(?:os|hw)_[a-z0-9_]{1,60}")
#: Glance's own, though they look like that.
_NOT_COPIED = re.compile(r"os_(?:hash_|hidden|glance).*")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_FORMS = {
    "kernel": re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,100}"),
    "packages": re.compile(r"[0-9a-f]{64}|"),
    "machine_id": re.compile(r"[0-9a-f]{64}"),
    "host_key": re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}|"),
}
_UUID = re.compile(r"[0-9A-Fa-f-]{4,36}")


def provenance(told: Mapping[str, Any], serials: Sequence[str]) -> dict[str, Any]:
    """{kernel, packages, machine_id, host_key, filesystems}: as the copy told, of the disks with these ``serials``.

    Raises Failed if that cannot be.
    """
    known: dict[str, Any] = {}
    for name, form in _FORMS.items():
        value = told.get(name)
        if not isinstance(value, str) or not form.fullmatch(value):
            raise Failed(
                f"the copy's {name} cannot be {str(value)[:100]!r}",
                code="live-update.capture.provenance",
                remedy="see what the server says of itself: uname -r, /etc/machine-id, /etc/ssh",
            )
        known[name] = value
    disks = told.get("filesystems")
    if not isinstance(disks, dict):
        disks = {}
    found = [u for disk, uuids in disks.items() if _of(disk, serials) and isinstance(uuids, list) for u in uuids]
    return known | {"filesystems": sorted({uuid for uuid in found if isinstance(uuid, str) and _UUID.fullmatch(uuid)})}


def properties(server: Json, known: Mapping[str, Any], taken_at: str) -> dict[str, str]:
    """Of the image: those of the source's image, and where it comes from. ``known``: see provenance."""
    image = server["image_properties"]
    copied = {k: str(v) for k, v in image.items() if _COPIED.fullmatch(k) and not _NOT_COPIED.fullmatch(k)}
    own = {
        KERNEL: known["kernel"],
        PACKAGES: known["packages"],
        MACHINE_ID: known["machine_id"],
        HOST_KEY: known["host_key"],
        FILESYSTEMS: _fitting(known["filesystems"]),
        CAPTURED_AT: taken_at,
        SOURCE_SERVER: server["id"],
        SOURCE_IMAGE: str(image.get("image_id") or ""),
    }
    if server["config_drive"]:
        own["img_config_drive"] = "mandatory"
    fit = {k: v for k, v in copied.items() if len(v) <= _LENGTH and _PRINTABLE.fullmatch(v)}
    return fit | {k: v for k, v in own.items() if v}


def needs(server: Json) -> tuple[int, int]:
    """(GiB of disk, MiB of memory) that a server made from it must have, at least."""
    image = server["image_properties"]
    size = next(v["size"] for v in server["volumes"] if is_root(v))
    return max(size, _number(image.get("min_disk"))), _number(image.get("min_ram"))


def _fitting(uuids: Sequence[str]) -> str:
    while len(" ".join(uuids)) > _LENGTH:
        uuids = uuids[:-1]
    return " ".join(uuids)


def _of(disk: Any, serials: Sequence[str]) -> bool:
    return isinstance(disk, str) and any(serial in disk for serial in serials)


def _number(value: Any) -> int:
    return int(value) if str(value or "").isdecimal() else 0
