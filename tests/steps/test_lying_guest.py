"""Steps with guests that lie: each ends as steps do, and keeps what is fit to be kept."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveupdate.drivers.guest import Completed, answers
from liveupdate.settings import load
from liveupdate.steps import attach, connect, cut_over, hold, open, pre_copy, probe, resources, seal, user_space
from liveupdate.steps.boot_copy import ROLE
from liveupdate.steps.path_events import path_events
from liveupdate.steps.protocol import Step
from liveupdate.testing.cloud import CloudDouble, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.guest import GuestDouble
from tests.drivers.told import ANSWERS
from tests.lies import TEXTS, fit_to_keep, ours, spoiled
from tests.steps.conftest import context_of, run_before
from tests.steps.moving import FORWARD, drive, made
from tests.steps.test_connect import made as made_inside

SETTINGS = load(config_files=[])
#: The data volume of the world has it.
SERIAL = "data-volume"
PHASES = st.sampled_from(
    ["idle", "prepared", "precopied", "frozen", "granted", "ready", "opened", "returned", "resumed", "failed"]
)
STATUSES = st.builds(
    lambda told, phase, role: {**told, "phase": phase, "role": role},
    spoiled(ANSWERS["status"]),
    PHASES,
    st.sampled_from(["source", "target", None]),
)


@st.composite
def lies(draw: st.DrawFn, *commands: str) -> dict[str, Any]:
    """What a guest tells: one lie at least, among ``commands``; its phase may be any."""
    lie = draw(st.sampled_from(commands))
    return {**ANSWERS, "status": draw(STATUSES), lie: draw(spoiled(ANSWERS[lie]))}


@dataclass
class Liar(GuestDouble):
    """Its answers come as the driver lets them through; of every command the output is ``words``."""

    words: str = ""
    address: str = ""

    def oneshot(self, command: str, arguments: Mapping[str, Any], timeout: float = 120.0) -> dict[str, Any]:
        self.calls.append((command, dict(arguments)))
        if command == "management_up":
            self.address = arguments["address"]
        return answers.result(command, {"result": self.answers.get(command)})

    def send(self, command: str, **arguments: Any) -> Callable[[float], dict[str, Any]]:
        return lambda seconds: self.oneshot(command, arguments)

    def run(self, argv: Sequence[str], **_: Any) -> Completed:  # type: ignore[override]
        return Completed(0, self.words, self.words)


@contextmanager
def hurried() -> Iterator[None]:
    """Whoever waits for a guest has soon waited long."""
    seconds = count(step=5)
    clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda for_seconds: None)
    with pytest.MonkeyPatch.context() as patch:
        for module in (cut_over, open, pre_copy, resources):
            patch.setattr(module, "time", clock)
        yield


def outcome(context: MemoryContext, act: Callable[[MemoryContext], Any]) -> Any:
    """What has come of it, None for an error of ours; nothing that is kept of it is the guest's to choose freely."""
    with hurried():
        result = ours(lambda: act(context))
    fit_to_keep(result)
    fit_to_keep(context.events)
    fit_to_keep([line.details for line in context.ledger.lines])
    return result


def moved(original: dict[str, Any], surrogate: dict[str, Any]) -> MemoryContext:
    """After an honest move, for one step anew with guests that lie."""
    context, _ = made(multiattach=False, soak_seconds=4)
    with hurried():
        drive(context, *FORWARD)
    context.guests = {"original": Liar(answers=original), "surrogate": Liar(answers=surrogate)}
    return context


def with_guest(surrogate: Liar, **parameters: Any) -> MemoryContext:
    """For steps that look at nothing else, but that there is such a server."""
    cloud = CloudDouble(with_server(), admin=True)
    context = MemoryContext(job(parameters=parameters), None, cloud, {"surrogate": surrogate}, settings=SETTINGS)
    context.results["provision"] = {"server_id": "original"}
    return context


SPOKEN = ("status", "keygen", "listen", "connect", "precopy", "probe", "open", "hand_back", "resume")


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([*FORWARD, hold.STEP]), lies(*SPOKEN), lies(*SPOKEN))
def test_a_move_ends_as_moves_do(step: Step, original: dict[str, Any], surrogate: dict[str, Any]) -> None:
    context = moved(original, surrogate)
    outcome(context, step.apply)
    outcome(context, lambda context: step.probe(context).result)


@settings(deadline=None, max_examples=20)
@given(spoiled(ANSWERS["status"]["returned"]))
def test_why_a_cut_over_has_failed_is_told_with_a_code_of_the_programs(why: dict[str, Any]) -> None:
    source, target = ({**ANSWERS["status"], "phase": phase, "returned": why} for phase in ("granted", "returned"))
    assert outcome(moved({"status": source}, {"status": target}), cut_over.STEP.apply) is None


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["frozen", "granted"]), STATUSES, PHASES)
@example("granted", {**ANSWERS["status"], "role": "source", "phase": "opened"}, "idle")
def test_the_original_resumes_after_a_grant_only_if_the_target_has_stopped(
    phase: str, target: dict[str, Any], handed_back: str
) -> None:
    source = {**ANSWERS["status"], "phase": phase}
    answered = {**ANSWERS, "status": target, "hand_back": {"phase": handed_back}}
    context = moved({**ANSWERS, "status": source}, answered)
    outcome(context, cut_over.STEP.undo)
    resumed = [arguments for command, arguments in context.guests["original"].calls if command == "resume"]
    server = context.service_cloud().servers.get(context.results["provision"]["server_id"])
    assert server is not None
    if resumed:
        assert server.status == "SHUTOFF" or "returned" in (target["phase"], handed_back)
        assert resumed[0]["fenced"] == (server.status == "SHUTOFF")
    else:
        assert target["phase"] == "opened"


@settings(deadline=None, max_examples=30)
@given(spoiled(ANSWERS["probe"]))
def test_who_is_not_well_is_not_taken_for_well(told: dict[str, Any]) -> None:
    context = with_guest(Liar(answers={"probe": told}))
    if (result := outcome(context, probe.STEP.apply)) is not None:
        assert all(check["ok"] for unit in result["units"].values() for check in unit["checks"])


VOLUME = ANSWERS["storage_connect"]["volumes"]["inside-volume"]


@settings(deadline=None, max_examples=40)
@given(spoiled(VOLUME))
@example(VOLUME)
@example({**VOLUME, "device": "/dev/sda; reboot"})
def test_a_volume_is_connected_by_a_stable_name_or_the_update_is_undone(told: dict[str, Any]) -> None:
    _, context = made_inside()
    answered = {**ANSWERS, "storage_connect": {"volumes": {"inside-volume": told}}}
    context.guests = {**context.guests, "surrogate": Liar(answers=answered)}
    if (result := outcome(context, connect.STEP.apply)) is not None:
        [volume] = result["volumes"].values()
        assert re.fullmatch(r"/dev/disk/by-id/[\w.-]+", result["devices"]["/data"])
        assert max(len(volume["paths"]), len(volume["missing"])) <= 64


LOST = ANSWERS["status"]["path_events"][0]
FLUTTERING = {**ANSWERS, "status": {**ANSWERS["status"], "path_events": [{**LOST, "at": at} for at in range(300)]}}


@settings(deadline=None, max_examples=25)
@given(lies("storage", "status"))
@example(FLUTTERING)
def test_paths_are_counted_and_each_event_of_them_is_told_once(told: dict[str, Any]) -> None:
    _, context = made_inside()
    context.guests = {"original": Liar(answers=told)}
    good = outcome(context, lambda context: connect.good_paths(context, "original"))
    assert set(good) <= {"inside-volume"}
    seen = outcome(context, lambda context: path_events(context, "original"))
    context.results["pre_copy"] = {"path_events": seen}
    assert outcome(context, lambda context: path_events(context, "original")) == seen
    assert len(context.events) == len(seen["original"]) <= 200


@settings(deadline=None, max_examples=30)
@given(st.lists(TEXTS | st.just(SERIAL)).map("\n".join), st.booleans())
def test_a_volume_is_attached_when_the_guest_sees_it_and_cannot_write_to_it(words: str, guarded: bool) -> None:
    context = context_of(with_server())
    run_before(context, attach.STEP)
    context.results["guard"] = {"disks": [SERIAL] if guarded else []}
    context.guests = {"surrogate": Liar(words=words)}
    result = outcome(context, attach.STEP.apply)
    assert (result is not None) == (SERIAL in words)


WORD, HALTED = "liveupdate: sealed 0f7a4c1e-5b1d-4a53-9a51-2f6f2d1c9b10", "reboot: System halted"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([WORD, WORD[:-1], HALTED]) | TEXTS, max_size=6))
@example([HALTED, WORD])
@example([WORD, "\x1b[2J", HALTED])
def test_a_copy_is_sealed_when_its_console_says_so_and_it_has_halted_since(said: list[str]) -> None:
    context = with_guest(Liar())
    context.service = SimpleNamespace(consoles=SimpleNamespace(output=lambda _: "\n".join(said)))
    context.results["boot_copy"] = {"server_id": "copy"}
    context.ledger.intend("server", ROLE)
    told = outcome(context, seal._heard)
    assert told == (WORD in said and HALTED in said[len(said) - said[::-1].index(WORD) :])
    assert [line.details for line in context.ledger.lines] == [{"sealed": True} if told else {}]


@settings(deadline=None, max_examples=30)
@given(spoiled(ANSWERS["stale"]), TEXTS | st.just("ii  openssl 3.0.2\n"), st.sampled_from([None, "all"]))
@example({"processes": ANSWERS["stale"]["processes"] * 300}, "", None)
def test_of_old_code_and_packages_no_more_is_told_than_there_can_be(told: Any, words: str, wanted: str | None) -> None:
    context = with_guest(Liar(answers={"stale": told}, words=words), packages=wanted)
    if (result := outcome(context, user_space.STEP.apply)) is not None:
        assert len(result["stale"]) <= 200
        assert result["changed"] == []
