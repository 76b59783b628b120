"""What is told in the in-guest program's stead: taken as it is told, if it is of its form; else one error, no other."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveupdate.drivers.guest import answers
from liveupdate.errors import GuestError
from liveupdate.plain import plain
from liveupdate.planning import capture_findings, disk_findings, golden, guest_findings, inside, units
from liveupdate.planning.estimate import blackout_ms
from tests.drivers.told import ANSWERS, INSPECTION
from tests.lies import JSON, fit_to_keep, ours, places, spoiled

BAD = "live-update.guest.bad-answer"
COMMANDS = pytest.mark.parametrize("command", answers.ANSWERS)


def test_of_every_command_there_is_a_sample() -> None:
    assert ANSWERS.keys() == answers.ANSWERS.keys()


@COMMANDS
def test_the_truth_comes_through_whole(command: str) -> None:
    told: Any = ANSWERS[command]
    # what had a default and were not in it would be one more
    assert answers.result(command, {"result": told}) == told
    for *way, last in places(told):
        value = told
        for key in (*way, last):
            value = value[key]
        assert value not in ([], {}, None), f"{last}: nothing would be spoiled inside"


def as_told(read: Any, told: Any) -> bool:
    """Nothing is made up or turned into another kind: texts are made plain, what is not known is dropped."""
    match read:
        case dict():
            return isinstance(told, dict) and all(as_told(each, told[key]) for key, each in read.items() if key in told)
        case list():
            return isinstance(told, list) and len(read) == len(told) and all(map(as_told, read, told))
        case str():
            return isinstance(told, str) and read in (
                plain(told, 4096).replace("\n", " "),
                plain(told, 2000),
                "guest.failed",
            )
    return isinstance(told, bool) == isinstance(read, bool) and bool(read == told)


@COMMANDS
@settings(deadline=None, max_examples=30)
@given(st.data())
def test_an_answer_is_as_it_was_told_or_an_error(command: str, data: st.DataObject) -> None:
    told = data.draw(spoiled(ANSWERS[command]) | JSON)
    if (read := ours(lambda: answers.result(command, {"result": told}), BAD)) is None:
        return
    fit_to_keep(read)
    assert as_told(read, told)
    assert answers.result(command, {"result": read}) == read


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([*ANSWERS, "cut_over"]), spoiled({"code": "guest.x", "detail": "d"}) | JSON)
def test_an_error_is_one_with_a_code_of_the_programs(command: str, told: Any) -> None:
    with pytest.raises(GuestError) as caught:
        answers.result(command, {"error": told})
    assert caught.value.code.startswith("guest.")
    ours(lambda: answers.result(command, {"error": told}))


def test_an_answer_that_nobody_reads_says_nothing() -> None:
    assert answers.result("cut_over", {"result": {"granted": "\x1b[2J"}}) == {}


PARAMETERS = {"capture": {"volumes": []}, "blackout_budget_seconds": 5.0}


@settings(deadline=None, max_examples=60)
@given(spoiled(INSPECTION), spoiled(ANSWERS["trial"]))
@example(INSPECTION, ANSWERS["trial"])
def test_whatever_an_inspection_says_the_preflight_comes_to_findings(told: Any, tried: Any) -> None:
    seen = ours(lambda: answers.result("inspect", {"result": told}), BAD)
    trial = ours(lambda: answers.result("trial", {"result": tried}), BAD)
    if seen is None or trial is None:
        return
    volumes = [{"id": "v", "serial": "virtio-a", "boot": False, "multiattach": True}]
    server = {"id": "s", "volumes": volumes, "inside": [], "local_disk": 1, "metadata": {}}
    names = units.candidates(seen, (), "")
    assert all(not name.startswith("-") and "/" not in name for name in names)
    trials = dict.fromkeys(names, trial)
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


IMAGE = {"id": "s", "image_properties": {}, "config_drive": False, "volumes": []}


@settings(deadline=None, max_examples=60)
@given(spoiled(ANSWERS["provenance"]))
@example(ANSWERS["provenance"])
@example({**ANSWERS["provenance"], "filesystems": {"virtio-data-volume": ["ü; reboot"]}})
def test_what_a_copy_says_of_itself_is_fit_for_an_image(told: Any) -> None:
    def known() -> dict[str, Any]:
        return golden.provenance(answers.result("provenance", {"result": told}), ["data-volume"])

    if (read := ours(known, BAD, "live-update.capture.provenance")) is None:
        return
    for value in golden.properties(IMAGE, read, "2026-01-01").values():
        assert value.isascii()
        assert value.isprintable()
        assert len(value) <= 255
