"""Which kernel is the one that was asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveupdate.planning import kernels

KNOWN = [
    "6.1.0-9-cloud-amd64",
    "6.1.0-50-cloud-amd64",
    "6.12.117+deb12-cloud-amd64",
    "6.13.1-amd64",
    "6.1.0-0.deb11.5-amd64",
]
OLD = "6.1.0-50-cloud-amd64"


@pytest.mark.parametrize(
    ("asked", "running", "chosen"),
    [
        ("newest", OLD, "6.12.117+deb12-cloud-amd64"),
        ("newest", "6.1.0-0.deb11.5-amd64", "6.13.1-amd64"),
        ("newest", "5.0-custom", "5.0-custom"),
        ("newest", "6.99.0-cloud-amd64", "6.99.0-cloud-amd64"),
        (None, OLD, OLD),
        ("linux-image-6.1.0-9-cloud-amd64", OLD, "6.1.0-9-cloud-amd64"),
        ("linux-image-amd64", OLD, "6.13.1-amd64"),
        ("linux-image-9.9.9-cloud-amd64", OLD, ""),
        ("linux-image-", OLD, ""),
    ],
)
def test_choice(asked: str | None, running: str, chosen: str) -> None:
    assert kernels.choose(asked, running, KNOWN) == chosen


def test_ten_is_newer_than_nine() -> None:
    assert kernels.choose("newest", "6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-10-amd64"]) == "6.1.0-10-amd64"


def test_only_packages_of_kernels_that_boot_are_releases() -> None:
    names = [
        f"linux-image-{OLD}",
        f"linux-image-{OLD}-dbg",
        f"linux-image-{OLD}-unsigned",
        "linux-image-amd64",
        "redis",
    ]
    assert kernels.releases(names) == [OLD]


def test_what_a_boot_loader_would_start_instead() -> None:
    assert kernels.outranking("6.1.0-50-cloud-amd64", ["6.1.0-9-cloud-amd64", OLD]) == []
    assert kernels.outranking("6.1.0-9-cloud-amd64", ["6.1.0-9-cloud-amd64", OLD]) == [OLD]
    # the same version of another flavour comes first or last by its name
    assert kernels.outranking("6.1.0-50-amd64", [OLD]) == [OLD]
    assert kernels.outranking(OLD, ["6.1.0-50-amd64"]) == []


@given(st.lists(st.text(max_size=40)))
def test_whatever_a_guest_claims_is_a_release_or_passed_over(names: list[str]) -> None:
    for release in kernels.releases([kernels.PREFIX + name for name in names]):
        assert kernels.choose(kernels.PREFIX + release, "", [release]) == release
