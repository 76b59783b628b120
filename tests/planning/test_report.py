"""What a report tells of blackouts and of the preview, from the journal, an older release's among them."""

from dataclasses import replace
from typing import Any

from liveupdate.model import StepRow, StepSpec
from liveupdate.planning import report
from liveupdate.states import StepState
from liveupdate.testing.context import job

BACK = {"direction": "back"}
OPENED = {"blackout_ms": 6220, "timeline": [], "opened_at": 1.0, "boot_id": ""}


def rows(*steps: tuple[str, dict[str, Any], dict[str, Any]]) -> list[StepRow]:
    """(step, its parameters, its result)"""
    return [
        StepRow("job", n, StepSpec(step, step, parameters), StepState.DONE, 0, result, {}, None, None, 1.0)
        for n, (step, parameters, result) in enumerate(steps)
    ]


def test_a_blackout_is_told_with_who_measured_it_and_how_beside_the_estimate() -> None:
    [told] = report.blackouts(rows(("pre_copy", {}, {"estimate_ms": 3500}), ("open", {}, OPENED)))
    assert (told["serves"], told["ms"], told["estimate_ms"], told["measured_by"]) == (
        "surrogate",
        6220,
        3500,
        "original",
    )
    assert "monotonic clock" in told["how"]


def test_a_way_back_has_one_of_its_own() -> None:
    journal = rows(
        ("pre_copy", {}, {"estimate_ms": 3500}),
        ("open", {}, OPENED),
        ("pre_copy", BACK, {"estimate_ms": 1000}),
        ("open", BACK, {**OPENED, "blackout_ms": 900}),
    )
    told = report.blackouts(journal)
    assert [(b["serves"], b["ms"], b["estimate_ms"], b["measured_by"]) for b in told] == [
        ("surrogate", 6220, 3500, "original"),
        ("original", 900, 1000, "surrogate"),
    ]


def test_what_nobody_could_measure_is_told_as_that() -> None:
    [told] = report.blackouts(rows(("open", {}, {**OPENED, "blackout_ms": None})))
    assert (told["ms"], told["measured_by"], told["how"], told["estimate_ms"]) == (None, None, "", None)


def test_a_job_that_has_not_come_so_far_has_none() -> None:
    assert report.blackouts(rows(("pre_copy", {}, {"estimate_ms": 1}), ("open", {}, {}))) == []


def test_what_the_preview_had_foretold_stands_beside_what_has_come() -> None:
    findings = [{"code": "unit.checkpoint", "verdict": "warn"}, {"code": "server.active", "verdict": "ok"}]
    result = {"verdict": "warn", "findings": findings, "estimate_ms": 3500}
    made = report.assemble(replace(job(), preview_id="preview"), rows(("open", {}, OPENED)), [], result)
    foretold = {"id": "preview", "verdict": "warn", "warnings": ["unit.checkpoint"], "blackout_estimate_ms": 3500}
    assert (made["preview"], made["blackout_ms"]) == (foretold, 6220)


def test_the_journal_of_an_older_release_has_no_changes_of_packages() -> None:
    older = {"packages": [], "failed": "", "stale": []}
    assert report.assemble(job(), rows(("user_space", {}, older)), [])["package_changes"] is None
    changed = [{"name": "openssl", "before": "1", "after": "2"}]
    assert (
        report.assemble(job(), rows(("user_space", {}, {**older, "changed": changed})), [])["package_changes"]
        == changed
    )
