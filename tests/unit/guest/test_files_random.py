"""Whatever happens to a tree, in whatever order: after the last round the target's is the same."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from liveupdate.guest import survey
from tests.unit.guest.roots import Roots, pause, remove, tree

NAMES = st.sampled_from([b"a", b"b", b"c", b"-d", b"e\n f", b"\xff\\n"])
#: Picks one of what is there.
PICK = st.integers(0, 10_000)


class Trees(RuleBasedStateMachine):
    """Operations on the source, with rounds in between. The target starts as its copy."""

    copied = False

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.roots = Roots(Path(self.folder.name))
        self.top = os.fsencode(self.roots.source / "srv")
        self.copied = self.started = False

    def folders(self) -> list[bytes]:
        return [folder for folder, _, _ in sorted(os.walk(self.top))]

    def things(self) -> list[bytes]:
        return [
            os.path.join(folder, name) for folder, below, here in sorted(os.walk(self.top)) for name in below + here
        ]

    def a_file(self, pick: int) -> bytes | None:
        found = [path for path in self.things() if os.path.isfile(path) and not os.path.islink(path)]
        return found[pick % len(found)] if found else None

    def a_place(self, pick: int, name: bytes) -> bytes:
        found = self.folders()
        return os.path.join(found[pick % len(found)], name)

    @rule(pick=PICK, name=NAMES)
    def make_directory(self, pick: int, name: bytes) -> None:
        if not os.path.lexists(path := self.a_place(pick, name)):
            os.mkdir(path)

    @rule(pick=PICK, name=NAMES, content=st.binary(max_size=20))
    def create(self, pick: int, name: bytes, content: bytes) -> None:
        if not os.path.lexists(path := self.a_place(pick, name)):
            with open(path, "wb") as file:
                file.write(content)

    @rule(pick=PICK, at=st.integers(0, 30), content=st.binary(min_size=1, max_size=20), keep_time=st.booleans())
    def write(self, pick: int, at: int, content: bytes, keep_time: bool) -> None:
        if path := self.a_file(pick):
            before = os.stat(path)
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(content)
            if keep_time:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(pick=PICK, to=PICK, name=NAMES)
    def rename(self, pick: int, to: int, name: bytes) -> None:
        if found := self.things():
            path, place = found[pick % len(found)], self.a_place(to, name)
            if (place + b"/").startswith(path + b"/"):
                return
            if os.path.lexists(place) and os.path.isdir(place) and not os.path.islink(place):
                return
            if os.path.lexists(place) and os.path.isdir(path) and not os.path.islink(path):
                os.unlink(place)
            os.rename(path, place)

    @rule(pick=PICK, other=PICK)
    def swap(self, pick: int, other: int) -> None:
        if found := self.things():
            one, two = found[pick % len(found)], found[other % len(found)]
            if not (one + b"/").startswith(two + b"/") and not (two + b"/").startswith(one + b"/"):
                aside = self.top + b".aside"
                os.rename(one, aside)
                os.rename(two, one)
                os.rename(aside, two)

    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        if found := self.things():
            remove(Path(os.fsdecode(found[pick % len(found)])))

    @rule(pick=PICK, to=PICK, name=NAMES)
    def link(self, pick: int, to: int, name: bytes) -> None:
        if (path := self.a_file(pick)) and not os.path.lexists(place := self.a_place(to, name)):
            os.link(path, place)

    @rule(pick=PICK, name=NAMES, to=st.sampled_from([b"a", b"..", b"/nowhere", b"../../etc", b"b/c"]))
    def symlink(self, pick: int, name: bytes, to: bytes) -> None:
        if not os.path.lexists(path := self.a_place(pick, name)):
            os.symlink(to, path)

    @rule(pick=PICK, mode=st.sampled_from([0o600, 0o755, 0o4711, 0o1777, 0]), owner=st.sampled_from([0, 12, 3_000_000]))
    def chmod(self, pick: int, mode: int, owner: int) -> None:
        if found := self.things():
            path = found[pick % len(found)]
            os.chown(path, owner, owner, follow_symlinks=False)
            if not os.path.islink(path):
                os.chmod(path, mode)

    @rule(pick=PICK, name=st.sampled_from(["user.a", "user.b=%3D", "trusted.c"]), value=st.binary(max_size=8))
    def attribute(self, pick: int, name: str, value: bytes) -> None:
        if path := self.a_file(pick):
            os.setxattr(path, name, value)

    @rule(pick=PICK)
    def no_attribute(self, pick: int) -> None:
        found = [path for path in self.things() if not os.path.islink(path)]
        for path in found[pick % len(found) :][:1] if found else ():
            for name in os.listxattr(path):
                os.removexattr(path, name)

    @precondition(lambda self: not self.copied)
    @rule()
    def copy_the_disk(self) -> None:
        self.roots.copy()
        self.copied = True

    @precondition(lambda self: self.copied)
    @rule()
    def round(self) -> None:
        report = self.roots.next() if self.started else self.roots.first()
        self.started = True
        assert report.conflicts == ()

    @precondition(lambda self: self.started)
    @rule()
    def start_again(self) -> None:
        self.roots.departing = self.roots.sides()[0]
        self.started = False

    def teardown(self) -> None:
        if not self.copied:
            self.copy_the_disk()
        self.round()
        self.roots.finish()
        assert tree(self.roots.target) == tree(self.roots.source)
        # and nothing is left to tell
        pause()
        self.roots.finish()
        assert not self.roots.departing.next()
        self.folder.cleanup()


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "sync", lambda root: None)


def test_the_trees_are_equal_in_the_end() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Trees,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
