"""What the in-guest program really tells comes through whole: nothing true is taken for a lie."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liveupdate.drivers.guest import answers
from liveupdate.guest import daemon, inspect, places, provenance, stale, storage, units


def read(command: str, told: Any) -> tuple[Any, Any]:
    """What was told, and what has come of it."""
    told = json.loads(json.dumps(told))
    return told, answers.result(command, {"result": told})


@pytest.mark.parametrize(
    ("command", "ask"),
    [
        ("inspect", inspect.inspect),
        ("storage", storage.storage),
        ("stale", stale.stale),
        ("provenance", provenance.provenance),
    ],
)
def test_facts_of_this_machine(command: str, ask: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # not every machine that tests run on has systemd
    monkeypatch.setattr(units, "show", lambda *_: [])
    told, seen = read(command, ask())
    assert seen == told


def test_the_status_of_a_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    monkeypatch.setattr(places, "JOURNAL", str(tmp_path / "journal"))
    made = daemon.Daemon()
    told, seen = read("status", made.status())
    assert seen == told
    assert seen["boot_id"]
    made.journal.enter("frozen", deadline=1.0)
    made.journal.mark("cut-over-failed", code="guest.dump-failed", detail="no", remedy="see")
    made.journal.enter("resumed", units={"kv.service": "alive"}, changed="")
    told, seen = read("status", made.status())
    assert seen["failure"] == {"code": "guest.dump-failed", "detail": "no", "remedy": "see"}
    assert seen["resumed"] == {"units": {"kv.service": "alive"}, "changed": ""}
    assert seen["phases"] == told["phases"]
