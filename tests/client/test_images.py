"""The client and the command line of golden images against the API, over HTTP."""

import argparse
import base64
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.db import jobs
from liveupdate.db.session import read
from liveupdate.testing.captures import KERNEL
from liveupdate.testing.jobs import unreachable
from tests.api.conftest import IMAGE, SERVER, Cloud, golden, services_of
from tests.api.test_images import NETWORK, VOLUME
from tests.client.conftest import Proxy, Serve
from tests.client.conftest import run as run_in

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from osc_lib.exceptions import CommandError

    from liveupdate.osc.v1 import arguments, image

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


@pytest.fixture
def service(sqlite: Engine, serve: Serve) -> Proxy:
    return serve(services_of(sqlite, Cloud(golden=[golden()]), unreachable), "member@mine")


def cloud() -> Any:
    """Finds everything under the name that it is asked for; the volume "data" has an id."""
    found = lambda name, **_: SimpleNamespace(id=VOLUME if name == "data" else name)  # noqa: E731
    return SimpleNamespace(
        compute=SimpleNamespace(find_server=found, find_flavor=found),
        network=SimpleNamespace(find_network=found),
        block_storage=SimpleNamespace(find_volume=found),
    )


run = partial(run_in, cloud=cloud())


def test_images_are_listed_and_shown_by_name_or_id(service: Proxy) -> None:
    [row] = run(image.ListImage, service)
    assert row[:4] == (IMAGE, "golden web", 4, KERNEL)
    for named in (IMAGE, "golden web"):
        shown = run(image.ShowImage, service, named)
        assert (shown["source_server_id"], shown["job_id"]) == (SERVER, "job")
        assert "snapshot_id='snapshot-0'" in shown["disks"].human_readable()


def test_a_server_is_captured_by_one_command_with_the_volumes_named(service: Proxy) -> None:
    job = run(image.CaptureImage, service, SERVER, "--name", "golden", "--volume", "data")
    assert (job["method"], job["state"], job["server"]) == ("capture", "queued", "web-1")
    assert job["parameters"].machine_readable() == {"name": "golden", "volumes": [VOLUME]}
    with pytest.raises(CommandError, match=r"live-update\.job\.server-busy"):
        run(image.CaptureImage, service, SERVER, "--name", "golden")


def test_servers_are_made_by_one_command_and_their_user_data_comes_from_a_file(
    service: Proxy, tmp_path: Path, sqlite: Engine
) -> None:
    (tmp_path / "data").write_text("#cloud-config\n")
    argv = ["golden web", "--name", "web", "--count", "2", "--flavor", "small", "--network", NETWORK]
    job = run(image.DeployImage, service, *argv, "--key-name", "mine", "--user-data", str(tmp_path / "data"))
    assert (job["method"], job["parameters"].machine_readable()["names"]) == ("deploy", ["web-1", "web-2"])
    with read(sqlite) as connection:
        told = jobs.get(connection, job["id"]).parameters
    assert base64.b64decode(told["user_data"]) == b"#cloud-config\n"
    assert told["key_name"] == "mine"


def test_an_image_is_deleted_by_a_job(service: Proxy) -> None:
    job = run(image.DeleteImage, service, "golden web")
    assert (job["method"], job["parameters"].machine_readable()["image_id"]) == ("image_delete", IMAGE)


def test_the_checks_of_a_capture_are_a_preview(service: Proxy) -> None:
    shown = run(image.CaptureImage, service, SERVER, "--name", "golden", "--preview")
    assert (shown["state"], shown["verdict"], shown["captured"].machine_readable()) == ("queued", None, [])
    assert service.get_preview(shown["preview"]).method == "capture"
    assert list(service.jobs(method="capture")) == []


def test_what_is_not_there_is_told(service: Proxy) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        run(image.ShowImage, service, "nowhere")


def test_an_update_is_asked_for_an_image_by_an_argument() -> None:
    parser = argparse.ArgumentParser()
    arguments.add_update(parser)
    parsed = parser.parse_args(["--server", SERVER, "--capture", "golden", "--capture-volume", "data"])
    assert arguments.update(cloud(), parsed)["capture"] == {"name": "golden", "volumes": [VOLUME]}


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (image.CaptureImage, (SERVER, "--name", "golden")),
        (image.DeployImage, (IMAGE, "--name", "web", "--flavor", "small", "--network", NETWORK)),
        (image.DeleteImage, (IMAGE,)),
    ],
)
def test_a_command_may_be_repeated_with_its_key(service: Proxy, command: type, argv: tuple[str, ...]) -> None:
    made = {run(command, service, *argv, "--idempotency-key", "k")["id"] for _ in range(2)}
    assert len(made) == 1


def test_the_checks_of_a_capture_may_be_repeated_with_their_key(service: Proxy) -> None:
    asked = {"server_id": SERVER, "name": "golden", "idempotency_key": "k"}
    assert len({service.preview_capture(**asked).id for _ in range(2)}) == 1
