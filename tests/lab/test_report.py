"""The demo's proof: every figure from where it was measured, and nothing proven that is not."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from lab.demo import report
from lab.demo.client import Findings
from lab.demo.inventory import Change

TOLD: dict[str, Any] = {
    "job": {"state": "succeeded", "reason": ""},
    "steps": [{"id": "preflight", "seconds": 34.2}, {"id": "back.open", "seconds": None}],
    "report": {
        "units": [{"name": "kv.service", "handover": "move", "health": []}],
        "blackout_ms": 3100,
        "blackout_estimate_ms": 3500,
        "timeline": [{"name": "frozen", "ms": 0}, {"name": "granted", "ms": 2490}],
        "bytes": 506_000_000,
        "resources": {
            "created": [{"kind": "server"}, {"kind": "port"}],
            "deleted": [{"kind": "port"}],
            "kept": [{"cloud_id": "new-server", "kind": "server", "role": "surrogate"}],
            "leftovers": [],
        },
    },
}
CLIENTS = {"kv": Findings(writes=1000, longest_gap_ms=3300.5), "tick": Findings(writes=500, longest_gap_ms=3200.0)}
#: The new server came, the old one went.
CHANGE = Change({"servers": {"new-server": "web"}}, {"servers": {"old-server": "web"}}, [])


def proof(**changes: Any) -> dict[str, Any]:
    made = report.assemble(TOLD, CLIENTS, CHANGE, "6.1.0-50")
    return made | {"kernel_after": "6.1.0-56", "total_seconds": 402.3} | changes


def test_the_keys_that_readers_of_demo_json_rely_on() -> None:
    made = proof()
    assert (made["kernel_before"], made["units"]) == ("6.1.0-50", [{"name": "kv.service", "handover": "move"}])
    assert (made["writes_acknowledged"], made["writes_lost"], made["connection_errors"]) == (1500, 0, 0)
    assert made["blackout_client_ms"] == 3300.5, "the client that felt it most"
    assert (made["blackout_service_ms"], made["blackout_estimate_ms"]) == (3100, 3500)
    assert made["steps"][0] == {"name": "preflight", "seconds": 34.2}
    assert (made["resources_created"], made["resources_deleted"], made["leftovers"]) == (2, 1, [])


def test_what_appeared_in_the_cloud_and_is_not_kept_on_purpose_is_left_over() -> None:
    change = Change({"ports": {"p1": "stray"}, **CHANGE.appeared}, {}, ["web"])
    assert report.assemble(TOLD, CLIENTS, change, "")["leftovers"] == ["ports: stray (p1)", "lock: web"]


@pytest.mark.parametrize(
    "flaw",
    [
        {"state": "undone"},
        {"kernel_after": "6.1.0-50"},
        {"writes_acknowledged": 0},
        {"writes_lost": 1},
        {"connection_errors": 1},
        {"errors": ["the server does not answer ssh"]},
        {"leftovers": ["ports: stray (p1)"]},
    ],
)
def test_one_flaw_and_nothing_is_proven(flaw: dict[str, Any]) -> None:
    assert report.proven(proof())
    assert not report.proven(proof(**flaw))


def shown(made: dict[str, Any]) -> str:
    console = Console(width=120, record=True, file=StringIO())
    report.show(console, made)
    return console.export_text()


def test_a_person_reads_it_in_seconds_and_megabytes() -> None:
    text = shown(proof())
    for words in ("6.1.0-50 → 6.1.0-56", "3.30 s", "3.10 s", "1500 checked, 0 lost", "506.0 MB", "granted", "2.49 s"):
        assert words in text
    assert "reboot" not in text
    assert "NOT" not in text


def test_a_reboot_stands_beside_it_if_there_was_one() -> None:
    assert "71.6 s, 1 connection errors" in shown(proof(reboot_outage_ms=71_600, reboot_connection_errors=1))


def test_a_client_that_failed_is_told_in_its_own_words() -> None:
    failed = {"kv": Findings(writes=7, errors=["ValueError: [no] answer"])}
    text = shown(report.assemble(TOLD, failed, CHANGE, "a") | {"kernel_after": "b", "total_seconds": 1})
    assert "ValueError: [no] answer" in text
    assert "NOT proven" in text


def test_what_was_never_measured_is_a_dash_and_no_zero() -> None:
    lines = shown(proof(blackout_service_ms=None)).splitlines()
    assert [line.split()[-2] for line in lines if "blackout, service" in line or "back.open" in line] == ["–", "–"]
