"""What a guest says in plain text: every parser gives something of its form, or an error of ours; never anything else.

For what the in-guest program tells see test_lying_answers.py, for the channels it comes on test_lying_channels.py.
"""

import json
from types import SimpleNamespace
from typing import cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveupdate.drivers.cloud.consoles import host_key_in
from liveupdate.drivers.guest import Guest, answers, grub, packages
from liveupdate.drivers.guest.tasks import Task, TaskState
from liveupdate.plain import one_line, plain
from liveupdate.planning import kernels, package_findings, witness
from liveupdate.steps import update
from tests.lies import JSON, TEXTS, fit_to_keep, ours


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000)
@example(b'{"a": ' + b"9" * 10_000 + b"}")
def test_a_line_is_an_object_or_an_error(line: bytes) -> None:
    ours(lambda: answers.parse(line).items())


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
