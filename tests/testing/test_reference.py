"""The reference is read out of the code: complete, and never without words."""

import re
from pathlib import Path

import liveupdate
from liveupdate.testing import reference

PACKAGE = Path(liveupdate.__file__).parent


def test_every_check_of_a_preflight_is_in_it() -> None:
    """Whatever function makes it: nothing that looks like a finding's code is written in planning/ but those told."""
    told = {entry.code: entry for entry in reference.findings()}
    families = "|".join(sorted({code.partition(".")[0] for code in told}))
    sources = [path.read_text() for path in (PACKAGE / "planning").rglob("*.py")]
    written = {code for text in sources for code in re.findall(rf'"((?:{families})\.[a-z-]+)"', text)}
    assert set(told) == written != set()
    assert all(entry.detail.strip("… ") and entry.remedy.strip("… ") for entry in told.values())
    assert (told["port.kind"].verdict, told["unit.health"].verdict) == ("block", "warn")


def test_steps_leave_findings_to_planning() -> None:
    """But for a guest's error, whose code is in the reference of errors."""
    for path in (PACKAGE / "steps").glob("*.py"):
        for made in re.findall(r"\b(?:check|Finding)\(([^,)]+)", path.read_text()):
            assert made == "error.code", path.name


def test_a_code_that_several_checks_have_says_what_each_of_them_says() -> None:
    [paths] = [entry for entry in reference.findings() if entry.code == "volume.paths"]
    assert "the guest has it over" in paths.detail
    assert "it is connected by" in paths.detail
    [owner] = [entry for entry in reference.findings() if entry.code == "owner.action"]
    assert owner.remedy == "set liveupdate:action to one of these, or remove it"


def test_errors_have_their_code_words_and_remedy() -> None:
    told = {entry.code: entry for entry in reference.errors()}
    assert all(entry.detail for entry in told.values())
    assert told["guest.undecided"].remedy
    assert "guest.dump-failed" in told
    assert told["live-update.fallback.busy"] == reference.Entry(
        "live-update.fallback.busy", "job … (…) is at work on this fallback", "wait for that job to end"
    )
    assert told["live-update.webhook.url"].remedy.startswith("https://")


def test_a_page_is_a_table_with_a_row_for_each() -> None:
    for page, entries in (
        (reference.findings_page(), reference.findings()),
        (reference.errors_page(), reference.errors()),
    ):
        rows = [line for line in page.splitlines() if line.startswith("| `")]
        assert len(rows) == len(entries)
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
