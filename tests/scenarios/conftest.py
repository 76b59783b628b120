"""The lab's cloud, our service on it, and servers with a workload."""

from collections.abc import Generator, Iterator
from typing import Any

import openstack
import pytest

from lab import settings
from lab.demo import evidence, servers, service
from lab.demo.clients import Running, run_client


@pytest.fixture(scope="package", autouse=True)
def clouds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(settings.CLOUDS))
        yield


@pytest.fixture(scope="package")
def user(clouds: None) -> Any:
    return openstack.connect(cloud="demo")


@pytest.fixture(scope="package")
def admin(clouds: None) -> Any:
    return openstack.connect(cloud="admin")


@pytest.fixture(scope="package")
def api(user: Any) -> Iterator[Any]:
    service.start()
    yield service.api(user)
    service.stop()


@pytest.fixture(scope="module")
def clients(guest: servers.Guest) -> Iterator[list[Running]]:
    """Of kv and tick, of a module with one guest: they write all the time."""
    running = [run_client(kind, guest.address) for kind in ("kv", "tick")]
    yield running
    for client in running:
        client.process.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.when == "call" and report.failed and (admin := getattr(item, "funcargs", {}).get("admin")):
        report.sections.append(("the cloud", evidence.gather(admin)))
    return report
