"""What an update has changed of a guest's packages, from two listings that the guest may have made up."""

from hypothesis import given
from hypothesis import strategies as st

from liveupdate.planning.package_changes import changes, parse

BEFORE = """ii  adduser 3.134
ii  libssl3:amd64 3.0.1-1~deb12u1
rc  nano 7.2-1
iF  broken 1.0
hi  held 2:1.0+b1
ii  gone 1.0
"""
AFTER = """ii  adduser 3.134
ii  libssl3:amd64 3.0.1-1~deb12u2
ii  linux-image-6.1.0-56-cloud-amd64 6.1.200-1
hi  held 2:1.0+b1
rc  gone 1.0
"""


def test_only_what_is_installed_wholly_counts() -> None:
    assert parse(BEFORE) == {
        "adduser": "3.134",
        "libssl3:amd64": "3.0.1-1~deb12u1",
        "held": "2:1.0+b1",
        "gone": "1.0",
    }


def test_what_has_come_gone_or_changed_is_told_with_its_versions() -> None:
    assert changes(BEFORE, AFTER) == [
        {"name": "gone", "before": "1.0", "after": None},
        {"name": "libssl3:amd64", "before": "3.0.1-1~deb12u1", "after": "3.0.1-1~deb12u2"},
        {"name": "linux-image-6.1.0-56-cloud-amd64", "before": None, "after": "6.1.200-1"},
    ]
    assert changes(AFTER, AFTER) == []


@given(st.text(), st.text())
def test_whatever_a_guest_says_is_read_without_an_error_and_bounded(before: str, after: str) -> None:
    for change in changes(before, after):
        assert len(change["name"]) < 150


def test_a_guest_cannot_make_the_journal_grow() -> None:
    assert len(changes("", "".join(f"ii  package-{n} 1\n" for n in range(50_000)))) == 1000
