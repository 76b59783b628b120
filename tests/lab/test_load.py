"""The figures under the hosts' exporters: chosen by whom it pleases, and counted on as a kernel would."""

from pathlib import Path

import pytest

from lab import load
from lab.load import Times


def test_a_host_has_the_usual_figures_until_somebody_chooses_others(state: Path) -> None:
    assert load.shares("host1") == load.USUAL
    load.choose("host1", 0.75, 0.5)
    assert load.shares("host1") == (0.75, 0.5)
    load.forget("host1")
    assert load.shares("host1") == load.USUAL


@pytest.mark.parametrize("text", ["", "0.5", "0.5 1.5", "-1 0.5", "nan 0.5", "much little"])
def test_nonsense_is_told(state: Path, text: str) -> None:
    load.choose("host1", 0.5, 0.5)
    (state / "metrics/host1/shares").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        load.shares("host1")


def test_times_go_on_where_they_were_written(state: Path) -> None:
    load.write("host1", Times().after(100, 0.25), 0.5)
    assert load.times("host1") == Times(25, 75)
    assert load.times("host2") == Times()
    assert (state / "metrics/host1/proc/stat").read_text().splitlines()[1] == "cpu0 2500 0 0 7500 0 0 0 0 0 0"
