"""Over how many paths Cinder says that a volume is connected, and that no secret is read by the way."""

from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.drivers.cloud.attachments import Attachments, Chap, Path

PORTALS = ["10.0.0.1:3260", "10.0.0.2:3260"]
ISCSI = {
    "driver_volume_type": "iscsi",
    "target_portal": PORTALS[0],
    "target_iqn": "iqn.x:volume",
    "target_lun": 1,
    "auth_method": "CHAP",
    "auth_username": "me",
    "auth_password": "very secret",
}
TWO = {"target_portals": PORTALS, "target_iqns": ["iqn.x:volume"] * 2, "target_luns": [1, 1]}
FABRIC = {"initiator_target_map": {"1000": ["2000", "2001"], "1001": ["2000"]}, "target_wwn": ["2000", "2001"]}


class Storage:
    def __init__(self, told: Any) -> None:
        self.made = SimpleNamespace(id="a", volume_id="volume", instance="server", connection_info=told)
        self.asked: dict[str, Any] = {}

    def get_attachment(self, attachment_id: str) -> Any:
        return self.made

    def attachments(self, **query: Any) -> list[Any]:
        self.asked = query
        return [self.made, SimpleNamespace(id="b", volume_id="v", instance="another", connection_info=None)]


@pytest.mark.parametrize(
    ("told", "paths"),
    [
        (ISCSI, 1),
        (ISCSI | TWO, 2),
        ({"driver_volume_type": "fibre_channel", "target_wwn": ["2000", "2001"], "target_lun": 0}, 2),
        ({"driver_volume_type": "fibre_channel", "target_wwn": "2000"}, 1),
        ({"driver_volume_type": "fibre_channel", **FABRIC}, 3),
        ({"driver_volume_type": "nvmeof", "portals": [["10.0.0.1", 4420, "tcp"]], "target_nqn": "nqn.x"}, 1),
        ({"driver_volume_type": "rbd", "hosts": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]}, None),
        ({"driver_volume_type": "nfs", "export": "10.0.0.1:/share"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_portals_and_ports_count_as_paths_and_monitors_do_not(told: Any, paths: int | None) -> None:
    found = Attachments(Storage(told)).get("a")
    assert found is not None
    assert (None if found.paths is None else len(found.paths)) == paths


def test_every_path_is_known_by_portal_target_and_lun() -> None:
    found = Attachments(Storage(ISCSI | TWO)).get("a")
    assert found is not None
    assert found.paths == (Path(PORTALS[0], "iqn.x:volume", 1), Path(PORTALS[1], "iqn.x:volume", 1))


def test_a_server_has_only_its_own_whoever_asked_for_them() -> None:
    storage = Storage(ISCSI)
    assert [found.id for found in Attachments(storage).of_server("server")] == ["a"]
    assert storage.asked == {"instance_id": "server", "all_projects": True}


def test_the_secret_is_told_only_to_who_asks_for_it_and_shown_to_nobody() -> None:
    attachments = Attachments(Storage(ISCSI))
    assert "secret" not in repr(attachments.get("a"))
    assert attachments.chap("a") == Chap("me", "very secret")
    assert "secret" not in repr(attachments.chap("a")).replace("Chap(user='me')", "")
    assert Attachments(Storage({"driver_volume_type": "iscsi"})).chap("a") == Chap()
