"""Images as Glance and Nova speak of them."""

from typing import Any

import pytest

from liveupdate.drivers.cloud.images import Images
from liveupdate.errors import Retry, Unknown
from tests.drivers.cloud.answers import Service, answer

MARK = {"liveupdate:job": "job", "liveupdate:role": "fallback"}


def image(**changes: Any) -> dict[str, Any]:
    told = {"id": "i", "name": "n", "status": "active", "size": 7, "owner": "mine", "hw_cpu_policy": "dedicated"}
    return {**told, **MARK, "protected": False, "tags": [], **changes}


def test_its_properties_are_told_apart_from_glances_own_words() -> None:
    found = Images(Service({"GET /images/i": image()}), None).get("i")
    assert found is not None
    assert (found.id, found.name, found.status, found.size) == ("i", "n", "active", 7)
    assert found.metadata == {**MARK, "hw_cpu_policy": "dedicated"}


def test_one_that_is_being_made_has_no_size_yet() -> None:
    found = Images(Service({"GET /images/i": image(status="queued", size=None)}), None).get("i")
    assert found is not None
    assert (found.status, found.size) == ("queued", 0)


@pytest.mark.parametrize("told", [answer({}, 404), image(status="deleted"), image(status="pending_delete")])
def test_one_that_is_gone_is_none(told: Any) -> None:
    assert Images(Service({"GET /images/i": told}), None).get("i") is None


def test_it_is_found_by_name_and_mark() -> None:
    others = [image(id="x", **{"liveupdate:job": "other"}), image(id="y", status="deleted")]
    glance = Service({"GET /images": [{"images": others}, {"images": [*others, image()]}]})
    assert Images(glance, None).find("n", "job", "fallback") is None
    found = Images(glance, None).find("n", "job", "fallback")
    assert found is not None
    assert found.id == "i"
    assert glance.asked[-1][1]["params"] == {"name": "n"}


def test_nova_makes_it_with_our_mark_and_says_its_id_at_once() -> None:
    nova = Service({"POST /servers/s/action": {"image_id": "i"}})
    assert Images(None, nova).of_server("n", "s", MARK) == "i"
    assert nova.asked[0][1]["json"] == {"createImage": {"name": "n", "metadata": MARK}}


@pytest.mark.parametrize(("status", "error"), [(409, Retry), (500, Unknown)])
def test_a_server_that_is_busy_is_asked_again_and_no_clear_answer_is_none(status: int, error: type) -> None:
    nova = Service({"POST /servers/s/action": answer({}, status)})
    with pytest.raises(error):
        Images(None, nova).of_server("n", "s", MARK)
