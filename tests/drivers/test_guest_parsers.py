"""Whatever a guest says: every parser of it gives something of its form, or an error of ours; never anything else."""

import copy
import json
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveupdate.drivers.cloud.consoles import host_key_in
from liveupdate.drivers.guest import Guest, answers, grub, packages
from liveupdate.drivers.guest.tasks import Task, TaskState
from liveupdate.errors import GuestError, LiveUpdateError
from liveupdate.plain import one_line, plain
from liveupdate.planning import (
    capture_findings,
    disk_findings,
    golden,
    guest_findings,
    inside,
    kernels,
    package_findings,
    units,
    witness,
)
from liveupdate.planning.estimate import blackout_ms
from liveupdate.steps import update

#: Halves of characters and terminal orders are among them, as JSON can carry them.
TEXTS = st.text(st.characters()) | st.sampled_from(["\x1b[2J", "\ud800", "\0", "-x.service", "../a", "9" * 5000, "inf"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
INSPECTION: dict[str, Any] = {
    "kernel": "6.1.0-25-amd64",
    "architecture": "x86_64",
    "boot_id": "b",
    "machine_id": "m",
    "smbios_uuid": "u",
    "hostname": "h",
    "cpus": 2,
    "memory": {"total": 1 << 30, "available": 1 << 29},
    "pids": {"maximum": 1 << 22, "highest": 900},
    "mounts": [
        {"where": "/", "device": "/dev/vda1", "block": "vda1", "by_id": "/dev/disk/by-id/virtio-a-part1",
         "fstype": "ext4", "options": "rw", "disks": ["/dev/disk/by-id/virtio-a"]}
    ],
    "swaps": [{"device": "/swap", "disks": []}],
    "fstab": [{"source": "UUID=1", "where": "/", "fstype": "ext4", "options": "rw"}],
    "free": {"/": 1 << 32, "/boot": 1 << 30},
    "interfaces": [{"name": "eth0", "mac": "fa", "addresses": [{"address": "10.0.0.1", "prefix": 24}], "gateway": ""}],
    "units": [{"name": "kv.service", "main_pid": 7, "pids": [7], "rss": 1, "threads": 1, "ports": [6379],
               "mounts": [], "stdout": "journal", "sandboxing": [], "fragment": "/etc/systemd/system/kv.service"}],
    "storage": {
        "initiator": "iqn.1993-08.org.debian:01:a",
        "multipathd": True,
        "sessions": [{"name": "session1", "target": "t", "portal": "1.2.3.4:3260", "state": "LOGGED_IN"}],
        "disks": [{"device": "sda", "wwid": "w", "target": "t", "portal": "1.2.3.4:3260", "lun": 1, "users": []}],
        "maps": [{"uuid": "mpath-w", "device": "dm-0",
                  "paths": [{"device": "sda", "dm_st": "active", "chk_st": "ready"}]}],
    },
    "criu": {"version": "3.17", "ok": True, "why": ""},
    "tools": {"criu": True},
    "systemd": True,
    "cloud_init": True,
    "reboot_required": False,
}  # fmt: skip
STATUS: dict[str, Any] = {
    "role": "source",
    "phase": "resumed",
    "phases": [{"name": "frozen", "monotonic": 1.0, "realtime": 2.0}],
    "now": 5.0,
    "boot_id": "0-1",
    "linked": True,
    "blackout_ms": None,
    "timeline": [{"name": "frozen", "ms": 0}],
    "bytes": 3,
    "returned": {"code": "guest.x", "detail": "d"},
    "resumed": {"name": "resumed", "phase": True, "monotonic": 1.5, "units": {"kv.service": "alive"}, "changed": ""},
    "failure": None,
    "path_events": [{"event": "lost", "target": "t", "portal": "p", "at": 1.0}],
}


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, each in below for place in places(each, (*here, key)))]


@st.composite
def spoiled(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """An answer of the right form, but for one or two places."""
    told: Any = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(places(told)[1:] or [()]))
        if not place:
            return draw(JSON)
        at = told
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = draw(JSON)
    return told


def fit_to_keep(value: Any) -> None:
    """For every database and terminal: plain text, finite numbers of ordinary size."""
    if isinstance(value, str):
        assert all(c.isprintable() or c in "\n\t" for c in value)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def ours(read: Callable[[], object]) -> None:
    """It gives something, or an error of ours that is fit to keep."""
    try:
        read()
    except LiveUpdateError as error:
        fit_to_keep([error.code[:128], error.detail, error.remedy])


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000)
@example(b'{"a": ' + b"9" * 10_000 + b"}")
def test_a_line_is_an_object_or_an_error(line: bytes) -> None:
    ours(lambda: answers.parse(line).items())


@settings(deadline=None)
@given(st.sampled_from([*answers.ANSWERS, "cut_over", "adopt_nic"]), st.dictionaries(TEXTS, JSON) | JSON)
def test_an_answer_is_of_its_form_or_an_error(command: str, told: Any) -> None:
    for answer in ({"result": told}, {"error": told}, told if isinstance(told, dict) else {}):
        ours(partial(_read_and_keep, command, answer))


def _read_and_keep(command: str, answer: dict[str, Any]) -> None:
    fit_to_keep(answers.result(command, answer))


@settings(deadline=None)
@given(spoiled(STATUS))
@example(STATUS)
def test_a_lying_status_is_of_its_form_or_an_error(told: Any) -> None:
    try:
        read = answers.result("status", {"result": told})
    except GuestError:
        return
    fit_to_keep(read)
    assert read["role"] in ("source", "target", None)
    assert {"phase", "phases", "timeline", "path_events"} <= set(read)


def test_a_true_inspection_comes_through_whole() -> None:
    assert answers.result("inspect", {"result": INSPECTION}) == INSPECTION


PARAMETERS = {"capture": {"volumes": []}, "blackout_budget_seconds": 5.0}


@settings(deadline=None)
@given(spoiled(INSPECTION))
@example(INSPECTION)
def test_whatever_an_inspection_says_the_preflight_comes_to_findings(told: Any) -> None:
    try:
        seen = answers.result("inspect", {"result": told})
    except GuestError:
        return
    fit_to_keep(seen)
    volumes = [{"id": "v", "serial": "virtio-a", "boot": False, "multiattach": True}]
    server = {"id": "s", "volumes": volumes, "inside": [], "local_disk": 1, "metadata": {}}
    names = units.candidates(seen, (), "")
    assert all(not name.startswith("-") and "/" not in name for name in names)
    trials = {name: answers.result("trial", {"result": {"ok": True}}) for name in names}
    decided = units.decide(seen, trials, ())
    findings = [
        *guest_findings.judge(seen, trials, decided, volumes, PARAMETERS),
        *disk_findings.judge(seen, server),
        *inside.judge(server, seen, 1),
        *capture_findings.wished(PARAMETERS, server, seen),
    ]
    fit_to_keep([finding.as_json() for finding in findings])
    assert blackout_ms(decided, trials, volumes) >= 0
    inside.unmapped(seen)


@settings(deadline=None)
@given(JSON)
def test_a_provenance_is_of_its_form_or_an_error(told: Any) -> None:
    try:
        read = answers.result("provenance", {"result": told})
        fit_to_keep(golden.provenance(read, ["x"]))
    except LiveUpdateError:
        pass


@settings(deadline=None)
@given(TEXTS, st.sampled_from([None, "newest", "linux-image-6.1.0-1-amd64"]), st.integers(0, 255))
@example("Known linux-image-" + "9" * 5000 + "-amd64", "newest", 0)
@example("E: \x1b[31m\ud800", None, 100)
def test_whatever_apt_says_comes_to_findings(output: str, kernel: str | None, code: int) -> None:
    findings = list(package_findings.judge(code, output, {"kernel": kernel}, "6.1.0-1-amd64"))
    fit_to_keep([finding.as_json() for finding in findings])
    kernels.choose(kernel, "6.1.0-1-amd64", kernels.releases(output.split()))


@settings(deadline=None)
@given(TEXTS)
@example("menuentry 'a' $menuentry_id_option 'b' {\n}\n}\n}\nsubmenu x {\nlinux /vmlinuz-6\n")
def test_any_menu_of_a_boot_loader_is_read(menu: str) -> None:
    entry, default = grub.entry_of(menu, "6.1.0-1-amd64"), grub.default_of(menu)
    assert "'" not in entry + default
    assert "\n" not in entry


@settings(deadline=None)
@given(TEXTS)
@example("-----BEGIN LIVEUPDATE" * 2000)
def test_any_console_is_read(console: str) -> None:
    assert host_key_in(console) == "" or host_key_in(console).startswith("ssh-ed25519 ")
    witness.heard(console)


class Saying:
    """A guest that says the same to every command."""

    def __init__(self, words: str) -> None:
        self.words = words

    def run(self, argv: object, **_: object) -> SimpleNamespace:
        return SimpleNamespace(code=0, stdout=self.words, stderr=self.words)


@settings(deadline=None)
@given(TEXTS | JSON.map(json.dumps))
@example("ActiveState=active\nSubState=exited\nActiveState=failed")
@example('{"release": "6", "boot": "b", "packages": ' + "[" * 100_000)
def test_whatever_a_command_says_is_read(words: str) -> None:
    guest = cast(Guest, Saying(words))
    assert Task(guest, "install").state() in TaskState
    fit_to_keep(Task(guest, "install").words())
    assert all(name.replace("-", "").isascii() for name in packages.installed(guest, "linux-image-"))
    ours(lambda: fit_to_keep(update._look(guest)))
    ours(lambda: fit_to_keep(update._note(guest)))
    ours(lambda: Guest.clock(guest))


@settings(deadline=None)
@given(st.text(st.characters()))
@example("\x1b[38;5;1mred\x1b[0m \x9b2J \x1b]8;;http://x\x1b\\link \x1bP1$r\x1b\\ \x1b(B \r\x1b")
def test_plain_text_orders_no_terminal_about(text: str) -> None:
    fit_to_keep(plain(text))
    assert plain(plain(text)) == plain(text)
    assert "\n" not in one_line(text)


def test_plain_text_keeps_its_words() -> None:
    assert plain("E: \x1b[1;31mno room\x1b[0m\r\nüß – 漢字 🙂\tend") == "E: no room\nüß – 漢字 🙂\tend"
    assert plain("\x1b]0;title\x07x\x1b]0;title\x1b\\y\x1b[") == "xy"
    assert len(plain("x" * 100_000)) == 8000
