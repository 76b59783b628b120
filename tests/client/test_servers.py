"""A name means the server that people gave it to, not the twin that an update has made of it."""

import re
import warnings
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.model import Resource
from liveupdate.states import ResourceState
from liveupdate.steps.kinds import mark
from liveupdate.steps.provision import ROLE

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from openstack.exceptions import DuplicateResource, NotFoundException

    from liveupdate.client.servers import find_server, find_server_id

JOB = "11111111-1111-4111-8111-111111111111"


class Compute:
    """Nova as openstacksdk shows it: names are matched whole, and listed by a regular expression."""

    def __init__(self, *listed: SimpleNamespace) -> None:
        self._listed = listed

    def find_server(self, name_or_id: str, ignore_missing: bool) -> SimpleNamespace:
        assert not ignore_missing
        found = [server for server in self._listed if name_or_id in (server.id, server.name)]
        if len(found) > 1:
            raise DuplicateResource("More than one Server exists with the name")
        if not found:
            raise NotFoundException("No Server found")
        return found[0]

    def servers(self, *, details: bool, name: str) -> list[SimpleNamespace]:
        assert details, "else there are no tags"
        return [server for server in self._listed if re.search(name, server.name)]


def server(identifier: str, *tags: str, name: str = "web.1") -> SimpleNamespace:
    return SimpleNamespace(id=identifier, name=name, tags=list(tags))


def find(name: str, *listed: SimpleNamespace) -> Any:
    return find_server(SimpleNamespace(compute=Compute(*listed)), name).id


def surrogate() -> SimpleNamespace:
    made = datetime(2030, 1, 1, tzinfo=UTC)
    line = Resource(1, JOB, "server", ROLE, "", "", ResourceState.CREATED, {}, made, None)
    return server("twin", mark(line))


def test_while_a_surrogate_has_its_name_the_server_itself_is_meant() -> None:
    assert find("web.1", surrogate(), server("mine", "blue"), server("other", name="web-1")) == "mine"


def test_the_surrogate_is_found_by_its_id() -> None:
    assert find("twin", surrogate(), server("mine")) == "twin"


def test_one_that_has_taken_the_originals_place_is_a_server_like_any_other() -> None:
    assert find("web.1", server("twin", "blue")) == "twin"


def test_a_name_that_two_servers_have_stays_ambiguous() -> None:
    with pytest.raises(DuplicateResource):
        find("web.1", surrogate(), server("mine"), server("another"))


def test_a_name_that_nobody_has_is_told() -> None:
    with pytest.raises(NotFoundException):
        find("web.2", surrogate(), server("mine"))


def test_the_history_of_a_server_that_is_gone_is_found_by_its_id() -> None:
    connection = SimpleNamespace(compute=Compute(server("s1")))
    assert find_server_id(connection, "web.1") == "s1"
    assert find_server_id(connection, JOB) == JOB
    with pytest.raises(NotFoundException):
        find_server_id(connection, "web.2")
