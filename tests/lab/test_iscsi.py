"""Volumes of type iscsi: on two portals for who asks with an initiator, and the same data at once for Nova.

QEMU is the initiator here, in userspace: the machine's kernel may have none.
"""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.settings import PATIENCE
from liveupdate.drivers.cloud import Clouds

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("clouds_yaml"),
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

ONE, OTHER, STRANGER = (f"iqn.2026-01.test:{name}" for name in ("one", "other", "stranger"))


class Refused(Exception):
    """The portal lets the initiator not in."""


@pytest.fixture
def volume(demo: Any) -> Iterator[Any]:
    storage = demo.block_storage
    made = storage.create_volume(name=f"iscsi-{uuid.uuid4().hex[:6]}", size=1, volume_type="iscsi")
    storage.wait_for_status(made, "available", ["error"], interval=0.5, wait=PATIENCE)
    yield made
    for attachment in storage.attachments(volume_id=made.id):
        storage.delete_attachment(attachment.id)
    storage.wait_for_status(storage.get_volume(made.id), "available", ["error"], interval=0.5, wait=PATIENCE)
    storage.delete_volume(made)
    storage.wait_for_delete(made, interval=0.5, wait=PATIENCE)


def test_every_portal_serves_whoever_is_attached_and_nobody_else(demo: Any, volume: Any, tmp_path: Path) -> None:
    one, other = attach(demo, volume, initiator=ONE), attach(demo, volume, initiator=OTHER)
    portals = one["target_portals"]
    assert len(set(portals)) == 2
    assert len(one["target_iqns"]) == len(one["target_luns"]) == 2
    assert one["auth_method"] == "CHAP"
    assert (other["target_portals"], other["target_iqns"]) == (portals, one["target_iqns"])
    write(tmp_path, one, ONE, portals[0], 0x5A)
    for portal in portals:
        assert read(tmp_path, other, OTHER, portal, 0x5A)
        assert not read(tmp_path, other, OTHER, portal, 0xA5), "the reader must see what differs"
        with pytest.raises(Refused):
            read(tmp_path, other, STRANGER, portal, 0x5A)


def test_an_attachment_that_ends_shuts_its_initiator_out_and_no_other(demo: Any, volume: Any, tmp_path: Path) -> None:
    one, other = attach(demo, volume, initiator=ONE), attach(demo, volume, initiator=OTHER)
    portal = one["target_portals"][1]
    demo.block_storage.delete_attachment(one["attachment_id"])
    with pytest.raises(Refused):
        read(tmp_path, one, ONE, portal, 0)
    assert read(tmp_path, other, OTHER, portal, 0)
    demo.block_storage.delete_attachment(other["attachment_id"])
    with pytest.raises(Refused):
        read(tmp_path, other, OTHER, portal, 0)


def test_a_connector_without_an_initiator_gets_the_same_volume_from_ceph(demo: Any, volume: Any) -> None:
    assert "target_iqn" in attach(demo, volume, initiator=ONE)
    assert attach(demo, volume)["name"].endswith(volume.id)


def test_our_driver_makes_reads_and_takes_away_such_an_attachment(demo: Any, volume: Any) -> None:
    attachments, server = Clouds("liveupdate").watcher().attachments, str(uuid.uuid4())
    made = attachments.create(
        volume.id, server, {"initiator": ONE, "multipath": True, "host": "test", "ip": "10.30.0.1"}
    )
    for _ in range(2):
        attachments.complete(made)
    [found] = attachments.of_server(server)
    assert (found.id, found.volume_id, found.protocol) == (made, volume.id, "iscsi")
    access = attachments.access(made)
    assert access.paths == found.paths
    assert len(access.paths) == 2
    assert access.user
    assert access.secret
    for _ in range(2):
        attachments.delete(made)
    assert attachments.of_server(server) == []


def attach(demo: Any, volume: Any, **connector: str) -> dict[str, Any]:
    """A new attachment for a server that Nova does not know; Cinder's connection data."""
    asked = {"host": "test", "ip": "10.30.0.1", "multipath": True, "platform": "x86_64", "os_type": "linux"}
    made = demo.block_storage.create_attachment(
        volume.id, connector={**asked, **connector}, instance=str(uuid.uuid4()), mode="rw"
    )
    demo.block_storage.complete_attachment(made)
    return dict(made.connection_info)


def write(folder: Path, connection: dict[str, Any], initiator: str, portal: str, byte: int) -> None:
    _qemu_io(folder, connection, initiator, portal, f"write -P {byte} 0 1M")


def read(folder: Path, connection: dict[str, Any], initiator: str, portal: str, byte: int) -> bool:
    """Whether the first MiB consists of this byte."""
    return "Pattern verification failed" not in _qemu_io(folder, connection, initiator, portal, f"read -P {byte} 0 1M")


def _qemu_io(folder: Path, connection: dict[str, Any], initiator: str, portal: str, command: str) -> str:
    """What it says; raises Refused."""
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(connection["auth_password"])
    disk = {"driver": "iscsi", "transport": "tcp", "portal": portal, "initiator-name": initiator}
    disk |= {"target": connection["target_iqn"], "lun": connection["target_lun"]}
    disk |= {"user": connection["auth_username"], "password-secret": "chap"}
    argv = ["qemu-io", "--object", f"secret,id=chap,file={secret}", "-c", command]
    image = "json:" + json.dumps({"driver": "raw", "file": disk})
    done = subprocess.run([*argv, image], text=True, capture_output=True, timeout=60)
    if "Failed to connect to LUN" in done.stderr:
        raise Refused(done.stderr)
    assert not done.stderr, done.stderr
    return done.stdout
