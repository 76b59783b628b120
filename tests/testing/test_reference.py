"""The reference is read out of the code: complete, and never without words."""

import re
from pathlib import Path

import liveupdate
from liveupdate.testing import reference

PACKAGE = Path(liveupdate.__file__).parent


def test_every_check_of_a_preflight_is_in_it() -> None:
    told = {entry.code: entry for entry in reference.findings()}
    sources = [path.read_text() for path in (PACKAGE / "planning").glob("*_findings.py")]
    written = {code for text in sources for code in re.findall(r'check\(\s*"([a-z.-]+)"', text)}
    assert set(told) == written != set()
    assert all(entry.detail and entry.remedy for entry in told.values())
    assert (told["port.kind"].verdict, told["unit.health"].verdict) == ("block", "warn")


def test_errors_have_their_code_words_and_remedy() -> None:
    told = {entry.code: entry for entry in reference.errors()}
    assert all(entry.detail for entry in told.values())
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
