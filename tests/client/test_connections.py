"""How the client is put into openstacksdk, and microversions: asked for, negotiated, told when there is none such."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.api.microversions import MAXIMUM, MINIMUM
from liveupdate.testing.jobs import unreachable
from tests.api.conftest import Cloud, services_of
from tests.api.serving import serving
from tests.client.conftest import Proxy, run

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from openstack import connect
    from openstack.connection import Connection
    from osc_lib.exceptions import CommandError

    from liveupdate.client import add_service
    from liveupdate.osc import plugin
    from liveupdate.osc.v1 import method

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


def connected(url: str, **more: str) -> Any:
    """A connection that needs no catalog."""
    login: dict[str, Any] = {"auth_type": "admin_token", "auth": {"endpoint": url, "token": "member@mine"}, **more}
    return Connection(**login, live_update_endpoint_override=f"{url}/v1")


@pytest.fixture
def url(sqlite: Engine) -> Iterator[str]:
    with serving(services_of(sqlite, Cloud(), unreachable)) as root:
        yield root


def test_any_number_of_connections_of_one_program_have_it(url: str) -> None:
    for _ in range(3):
        connection = connected(url)
        service = add_service(connection)
        assert add_service(connection) is service is connection.live_update
        assert [each.name for each in service.methods()] == ["surrogate"]
        connection.close()


def test_clouds_yaml_alone_makes_it_available(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = {"auth_type": "admin_token", "auth": {"endpoint": url, "token": "member@mine"}}
    cloud = {**login, "vendor_hook": "liveupdate.client:vendor_hook", "live_update_endpoint_override": f"{url}/v1"}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"mine": cloud}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    connection: Any = connect(cloud="mine")
    assert [each.name for each in connection.live_update.methods()] == ["surrogate"]
    connection.close()


def told(service: Proxy) -> str:
    """The version that the service says it has answered with."""
    return str(service.get("/methods").headers["OpenStack-API-Version"])


@pytest.mark.parametrize("version", [MINIMUM, MAXIMUM, "latest"])
def test_what_is_asked_for_is_answered(service: Proxy, version: str) -> None:
    service.default_microversion = version
    assert told(service) == f"live-update {MAXIMUM if version == 'latest' else version}"
    assert run(method.ListMethod, service)[0][0] == "surrogate"


def test_what_the_service_does_not_speak_is_told_with_what_it_does(service: Proxy) -> None:
    service.default_microversion = "9.9"
    with pytest.raises(CommandError, match=r"live-update\.microversion\.not-supported") as refused:
        run(method.ListMethod, service)
    assert f"{MINIMUM} to {MAXIMUM}" in str(refused.value)


@pytest.mark.parametrize(
    "chosen",
    [{"live_update_api_version": "1.0"}, {"live_update_api_version": "1", "live_update_default_microversion": "1.0"}],
)
def test_a_microversion_is_chosen_on_the_command_line_or_in_clouds_yaml(url: str, chosen: dict[str, str]) -> None:
    """--os-live-update-api-version is an option of the former kind; the SDK looks into our version document."""
    connection = connected(url, **chosen)
    service = add_service(connection)
    assert (service.default_microversion, told(service)) == ("1.0", "live-update 1.0")
    connection.close()


def test_the_command_line_offers_every_version_that_the_service_has() -> None:
    assert {"1", MINIMUM, MAXIMUM} <= set(plugin.API_VERSIONS)
