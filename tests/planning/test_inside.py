"""Volumes that a guest attaches itself: which are handed over, by which names, and what stands in the way."""

from collections.abc import Callable
from typing import Any

import pytest

from liveupdate.model import Verdict
from liveupdate.planning import disk_findings, inside, move
from liveupdate.planning.report import guest_paths
from tests.planning.inside_volume import MOUNT, PORTALS, guest, server


def wrong(server_facts: Any, guest_facts: Any, minimum: int = 1) -> dict[str, Verdict]:
    found = inside.judge(server_facts, guest_facts, minimum)
    return {f.code: f.verdict for f in found if f.verdict != Verdict.OK}


def test_a_volume_over_two_paths_is_handed_over_by_the_name_of_its_map() -> None:
    found = {"server": server(), "guest": guest()}
    assert wrong(server(), guest(), 2) == {}
    [mount] = inside.mounts(found)
    assert (mount["where"], mount["device"], mount["shared"]) == ("/data", MOUNT["by_id"], True)
    assert move.data_mounts(found) == [mount]
    assert inside.portals(found) == PORTALS
    assert guest_paths(found, {"inside-volume": 1}) == [
        {"volume_id": "inside-volume", "attached_by": "guest", "protocol": "iscsi", "before": 2, "after": 1}
    ]


@pytest.mark.parametrize(
    ("code", "verdict", "change"),
    [
        ("volume.inside-shareable", Verdict.BLOCK, lambda s, g: s["inside"][0].update(multiattach=False)),
        ("volume.inside-shareable", Verdict.BLOCK, lambda s, g: s["inside"][0].update(servers=["other", "original"])),
        ("volume.inside-whole", Verdict.BLOCK, lambda s, g: g["storage"]["disks"][0].update(users=["sda1"])),
        ("volume.inside-stable-name", Verdict.BLOCK, lambda s, g: g["mounts"][0].update(by_id="")),
        ("guest.multipath-tools", Verdict.BLOCK, lambda s, g: g["tools"].update(multipathd=False)),
        ("volume.inside-paths", Verdict.WARN, lambda s, g: path(g, 0).update(chk_st="faulty")),
        ("volume.inside-paths", Verdict.WARN, lambda s, g: path(g, 1).update(dm_st="failed")),
        ("guest.multipath", Verdict.WARN, lambda s, g: g["storage"].update(maps=[])),
        ("guest.foreign-storage", Verdict.BLOCK, lambda s, g: foreign(g)),
    ],
)
def test_what_is_found(code: str, verdict: Verdict, change: Callable[[Any, Any], None]) -> None:
    changed_server, changed_guest = server(), guest()
    change(changed_server, changed_guest)
    assert wrong(changed_server, changed_guest) == {code: verdict}


def test_its_file_system_does_not_stay_behind() -> None:
    facts = server()
    assert [f.code for f in disk_findings.judge(guest(), facts) if f.verdict != Verdict.OK] == []
    facts["inside"] = []
    assert disk_findings.judge(guest(), facts)[0].code == "guest.file-systems"
    assert disk_findings.judge(guest(), facts)[0].verdict == Verdict.BLOCK


def path(facts: Any, number: int) -> Any:
    return facts["storage"]["maps"][0]["paths"][number]


def foreign(facts: Any) -> None:
    session = {"name": "session9", "target": "iqn.x:other", "portal": "10.0.9.9:3260", "state": "LOGGED_IN"}
    facts["storage"]["sessions"].append(session)


def test_a_guest_that_is_not_logged_in_has_nothing_handed_over() -> None:
    facts = guest()
    facts["storage"].update(sessions=[], disks=[], maps=[])
    assert wrong(server(), facts) == {"volume.inside-seen": Verdict.WARN}
    assert inside.mounts({"server": server(), "guest": facts}) == []


def test_paths_that_are_demanded_must_work() -> None:
    facts = guest()
    path(facts, 0).update(chk_st="faulty")
    assert wrong(server(), facts, 2)["volume.paths"] == Verdict.BLOCK


def test_without_a_map_a_path_is_good_as_long_as_its_session_is() -> None:
    facts = guest()
    facts["storage"]["maps"] = []
    facts["storage"]["sessions"][0]["state"] = "FAILED"
    assert inside.good_paths([server()["inside"][0]], facts["storage"]) == {"inside-volume": 1}


def test_multipathd_is_set_up_for_disks_that_nobody_uses() -> None:
    facts = guest()
    assert inside.unmapped(facts) == []
    facts["storage"]["maps"] = []
    assert inside.unmapped(facts) == [["sda", "sdb"]]
    facts["mounts"][0]["block"] = "sda"
    assert inside.unmapped(facts) == []


def test_results_of_an_older_release_have_none_of_it() -> None:
    old: dict[str, Any] = {"server": {"volumes": []}, "guest": {"mounts": []}}
    assert (inside.volumes(old), inside.mounts(old), inside.portals(old)) == ([], [], [])
    assert inside.unmapped(old["guest"]) == []
    assert wrong(old["server"], old["guest"]) == {}
