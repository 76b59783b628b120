"""A server is asked for on a host by name: in its owner's name, with the service's word for it."""

import pytest

from liveupdate.drivers.cloud.servers import HOST_FORBIDDEN, Servers
from liveupdate.errors import Failed
from tests.drivers.cloud.answers import Service, answer

MADE = {"server": {"id": "new"}}
REFUSED = "Policy doesn't allow compute:servers:create:requested_destination to be performed."


def test_the_host_is_named_and_the_service_vouches_for_it() -> None:
    service = Service({"POST /servers": MADE})
    assert Servers(service, lambda: "token").create({"name": "s"}, {"group": "g"}, "host3") == "new"
    [(_, sent)] = service.asked
    assert sent["json"] == {"server": {"name": "s", "host": "host3"}, "os:scheduler_hints": {"group": "g"}}
    assert sent["headers"] == {"X-Service-Token": "token"}


def test_without_a_host_nothing_is_vouched_for() -> None:
    service = Service({"POST /servers": MADE})
    Servers(service, lambda: "token").create({"name": "s"}, {"same_host": "o"})
    [(_, sent)] = service.asked
    assert sent["json"] == {"server": {"name": "s"}, "os:scheduler_hints": {"same_host": "o"}}
    assert sent["headers"] == {}


def test_a_nova_that_lets_nobody_name_a_host_is_told_from_other_refusals() -> None:
    refused = {"forbidden": {"code": 403, "message": REFUSED}}
    with pytest.raises(Failed) as told:
        Servers(Service({"POST /servers": answer(refused, 403)})).create({}, {}, "host3")
    assert told.value.code == HOST_FORBIDDEN
    assert '"rule:context_is_admin or service_roles:service"' in told.value.remedy
    with pytest.raises(Failed) as other:
        Servers(Service({"POST /servers": answer({"forbidden": {"message": "no"}}, 403)})).create({}, {}, "host3")
    assert other.value.code == "live-update.cloud.forbidden"
