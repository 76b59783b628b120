"""Backups, volume types, and what is deleted by force, as Cinder speaks of them."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.drivers.cloud.backups import Backups
from liveupdate.drivers.cloud.snapshots import Snapshots
from liveupdate.drivers.cloud.volume_types import VolumeTypes
from liveupdate.drivers.cloud.volumes import Volumes

MARK = {"liveupdate:job": "job", "liveupdate:role": "fallback"}


@dataclass
class Cinder:
    """openstacksdk's block storage: answers by method, and remembers what it was asked."""

    answers: dict[str, Any]
    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, verb: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self.asked.append((verb, given, named))
            return self.answers.get(verb)

        return call


def service(**changes: str) -> Any:
    return SimpleNamespace(**{"state": "up", "status": "enabled", **changes})


@pytest.mark.parametrize(
    ("services", "offered"),
    [([], False), ([service()], True), ([service(state="down")], False), ([service(status="disabled")], False)],
)
def test_backups_are_offered_where_a_service_is_up_and_enabled(services: list[Any], offered: bool) -> None:
    assert Backups(Cinder({"services": services})).offered() is offered


def backup(**changes: Any) -> Any:
    told = {"id": "b", "name": "n", "status": "available", "volume_id": "v", "size": 3, "metadata": MARK}
    return SimpleNamespace(**{**told, **changes})


def test_a_backup_is_found_by_name_and_mark() -> None:
    others = [backup(id="x", metadata={}), backup(id="y", metadata={**MARK, "liveupdate:job": "other"})]
    assert Backups(Cinder({"backups": others})).find("n", "job", "fallback") is None
    found = Backups(Cinder({"backups": [*others, backup()]})).find("n", "job", "fallback")
    assert found is not None
    assert (found.id, found.size) == ("b", 3)


def test_a_backup_of_an_attached_volume_is_forced() -> None:
    cinder = Cinder({"create_backup": backup(status="creating")})
    Backups(cinder).create("n", "v", MARK)
    assert cinder.asked == [("create_backup", (), {"name": "n", "volume_id": "v", "metadata": MARK, "force": True})]


@pytest.mark.parametrize(
    ("verbs", "verb"), [(Volumes, "delete_volume"), (Snapshots, "delete_snapshot"), (Backups, "delete_backup")]
)
@pytest.mark.parametrize("force", [False, True])
def test_only_what_is_stuck_is_deleted_by_force(verbs: Any, verb: str, force: bool) -> None:
    cinder = Cinder({})
    verbs(cinder).delete("id", force=force)
    assert cinder.asked == [(verb, ("id",), {"ignore_missing": True, "force": force})]


def volume_type(**changes: Any) -> Any:
    told = {"id": "t", "name": "fast", "is_public": True, "extra_specs": {"volume_backend_name": "ceph"}}
    return SimpleNamespace(**{**told, **changes})


PLAIN = SimpleNamespace(provider=None)


def test_a_public_volume_type_is_everybodys() -> None:
    found = VolumeTypes(Cinder({"find_type": volume_type(), "get_type_encryption": PLAIN})).find("fast")
    assert found is not None
    assert (found.backend, found.encrypted, found.open_to("anybody")) == ("ceph", False, True)


def test_a_private_one_is_for_those_it_was_given_to() -> None:
    answers = {
        "find_type": volume_type(is_public=False, extra_specs=None),
        "get_type_access": [{"project_id": "mine"}],
        "get_type_encryption": SimpleNamespace(provider="luks"),
    }
    found = VolumeTypes(Cinder(answers)).find("fast")
    assert found is not None
    assert (found.backend, found.encrypted) == ("", True)
    assert (found.open_to("mine"), found.open_to("other")) == (True, False)


def test_a_name_that_is_nobodys_is_none() -> None:
    assert VolumeTypes(Cinder({})).find("magic") is None


@pytest.mark.parametrize(
    ("make", "source"), [("from_snapshot", {"snapshot_id": "s"}), ("from_backup", {"backup_id": "s"})]
)
def test_a_volume_is_made_of_a_copy_with_the_size_and_type_of_what_it_was_if_none_is_told(
    make: str, source: dict[str, str]
) -> None:
    made = SimpleNamespace(
        id="v",
        status="creating",
        **dict.fromkeys(("name", "description", "size", "volume_type", "metadata", "attachments"), None),
        **dict.fromkeys(("is_bootable", "is_multiattach", "is_encrypted", "volume_image_metadata"), None),
        availability_zone=None,
    )
    cinder = Cinder({"create_volume": made})
    getattr(Volumes(cinder), make)("n", "s", 0, "", MARK)
    [(_, _, sent)] = cinder.asked
    assert sent == {"name": "n", "size": None, "volume_type": None, "metadata": MARK, **source}
