"""Lists of everything in the cloud: page after page, of every project."""

from dataclasses import replace
from typing import Any

import pytest
from keystoneauth1 import exceptions

from liveupdate.drivers.cloud import inventory, marks
from liveupdate.drivers.cloud.attachments import Attachment
from liveupdate.drivers.cloud.backups import Backups
from liveupdate.drivers.cloud.golden_images import GoldenImages
from liveupdate.drivers.cloud.images import Images
from liveupdate.drivers.cloud.servers import Servers
from liveupdate.drivers.cloud.trusts import Trusts
from liveupdate.testing.cloud import CloudDouble, with_server
from tests.drivers.cloud.answers import Service, answer

JOB = "0f7a4c1e-5b1d-4a53-9a51-2f6f2d1c9b10"


def test_images_are_read_to_the_last_page_and_those_that_are_gone_left_out() -> None:
    told = {"status": "active", "name": "n"}
    pages = {
        "GET /images?limit=100": {"images": [{"id": "a", **told}], "next": "/v2/images?marker=a"},
        "GET /images?marker=a": {"images": [{"id": "b", **told}, {"id": "c", "status": "deleted"}]},
    }
    assert [image.id for image in Images(Service(pages), None).all()] == ["a", "b"]


def test_golden_images_of_every_project_are_asked_for_without_an_owner() -> None:
    told = [{"id": owner, "status": "active", "owner": owner, "liveupdate:golden": "yes"} for owner in ("a", "b")]
    glance = Service({"GET /images?liveupdate:golden=yes&sort=created_at:desc&limit=100": {"images": told}})
    assert [image.owner for image in GoldenImages(glance).all()] == ["a", "b"]


def test_backups_are_read_page_by_page() -> None:
    told = {"name": "n", "status": "available", "volume_id": "v", "size": 3, "metadata": None}
    first = [{"id": f"b{n}", **told} for n in range(100)]
    last = {"id": "last", "name": None, "status": "error", "volume_id": None, "size": None, "metadata": {"k": "v"}}
    cinder = Service({"GET /backups/detail": [{"backups": first}, {"backups": [last]}]})
    found = Backups(cinder).all()
    assert (len(found), found[-1].id, dict(found[-1].metadata)) == (101, "last", {"k": "v"})
    assert [asked["params"] for _, asked in cinder.asked] == [
        {"all_tenants": 1, "limit": 100},
        {"all_tenants": 1, "limit": 100, "marker": "b99"},
    ]


def test_trusts_are_those_by_which_the_service_works() -> None:
    keystone = Service({"GET /OS-TRUST/trusts?trustee_user_id=service": {"trusts": [{"id": "t"}]}})
    assert Trusts(keystone).all() == ["t"]


def test_a_trust_that_is_gone_is_none() -> None:
    class Gone(Service):
        def get(self, path: str, **options: Any) -> Any:
            raise exceptions.NotFound

    assert Trusts(Gone({})).get("t") is None
    assert Trusts(Service({"GET /OS-TRUST/trusts/t": {}})).get("t") == "t"


@pytest.mark.parametrize("status", [204, 404])
def test_a_tag_is_removed_once(status: int) -> None:
    nova = Service({"DELETE /servers/s/tags/liveupdate:idle": answer({}, status)})
    Servers(nova).remove_tag("s", marks.IDLE)
    assert len(nova.asked) == 1


def test_what_a_guest_attaches_by_itself_is_looked_for_on_servers_of_ours_alone() -> None:
    world = with_server()
    world.servers["twin"] = replace(world.servers["original"], id="twin", tags=(marks.line(JOB, "surrogate"),))
    for server in ("original", "twin"):
        world.inside[server] = Attachment(server, "data-volume", server, "iscsi", ())
    cloud: Any = CloudDouble(world, admin=True)
    assert [a.id for a in inventory.take(cloud).guest_attachments] == ["twin"]
