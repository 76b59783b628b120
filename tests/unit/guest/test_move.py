"""What a worker may ask a guest to move: everything is looked at before anything is done."""

import copy
from typing import Any

import pytest

from liveupdate.guest import move
from liveupdate.guest.errors import GuestError

RAW: dict[str, Any] = {
    "job": "j1",
    "units": [
        {"name": "kv.service", "handover": "move", "health": [{"kind": "tcp", "port": 6379}]},
        {"name": "web", "handover": "restart"},
    ],
    "addresses": [{"address": "10.0.0.10", "prefix": 24, "mac": "FA:16:3E:00:00:01"}],
    "mounts": [
        {
            "where": "/data",
            "device": "/dev/disk/by-id/virtio-1",
            "fstype": "ext4",
            "options": "rw,relatime",
            "shared": True,
        }
    ],
    "files": {"since": 12.5, "include": ["/opt/app"], "exclude": []},
    "dead_man_seconds": 60,
    "open_within_seconds": 30,
}


def test_a_move_is_read() -> None:
    parsed = move.parse(RAW)
    assert [unit.name for unit in parsed.with_handover("move")] == ["kv.service"]
    assert [unit.name for unit in parsed.with_handover("move", "restart")] == ["kv.service", "web.service"]
    assert parsed.addresses[0].mac == "fa:16:3e:00:00:01"
    assert (parsed.files_since, parsed.include) == (12.5, ("/opt/app",))
    assert parsed.mounts[0].shared


def test_without_a_moment_no_files_are_synchronised() -> None:
    assert move.parse({**RAW, "files": None}).files_since is None


def test_the_guard_is_told_the_addresses_and_not_the_mtu_of_another_network() -> None:
    assert move.parse(RAW).address_lines() == "fa:16:3e:00:00:01 10.0.0.10/24 - -\n"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("units", 0, "name"), "../../etc/passwd"),
        (("units", 0, "name"), "-x"),
        (("units", 0, "handover"), "teleport"),
        (("addresses", 0, "address"), "10.0.0.10; reboot"),
        (("addresses", 0, "mac"), "eth0"),
        (("mounts", 0, "where"), "/"),
        (("mounts", 0, "where"), "data"),
        (("mounts", 0, "where"), "/data/../etc"),
        (("mounts", 0, "device"), "/dev/disk/by-id/x\ny"),
        (("mounts", 0, "options"), "rw -o suid"),
        (("mounts", 0, "fstype"), "ext4 -n"),
        (("files", "include"), ["relative"]),
        (("dead_man_seconds",), 0),
        (("open_within_seconds",), 86400),
        (("open_within_seconds",), float("nan")),
        (("job",), None),
    ],
    ids=str,
)
def test_what_could_do_harm_is_refused(path: tuple[str | int, ...], value: object) -> None:
    raw: Any = copy.deepcopy(RAW)
    at = raw
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    with pytest.raises(GuestError) as caught:
        move.parse(raw)
    assert caught.value.code in ("guest.bad-move", "guest.bad-unit")
