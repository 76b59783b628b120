"""The client and the command line of fallbacks against the API, over HTTP."""

import warnings

import pytest
from sqlalchemy import Engine

from liveupdate.testing.fallbacks import updated
from tests.api.conftest import SERVER
from tests.client.conftest import Proxy, run

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from osc_lib.exceptions import CommandError

    from liveupdate.osc.v1 import fallback

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


@pytest.fixture
def kept(sqlite: Engine) -> str:
    return updated(sqlite, project_id="mine", made=SERVER, server_name="web-1")


def test_fallbacks_are_listed_and_found_by_their_server(service: Proxy, kept: str) -> None:
    [row] = run(fallback.ListFallback, service, "--server", SERVER)
    assert row[:4] == (kept, "web-1", "snapshot", 6)
    assert run(fallback.ListFallback, service, "--server", "another") == []


def test_what_a_fallback_consists_of_is_shown(service: Proxy, kept: str) -> None:
    shown = run(fallback.ShowFallback, service, kept)
    assert shown["original_server_id"] == "original"
    assert [part["cloud_id"] for part in shown["parts"].machine_readable()] == ["snapshot", "old-volume"]
    assert "cloud_id='snapshot'" in shown["parts"].human_readable()


def test_a_server_is_restored_by_one_command(service: Proxy, kept: str) -> None:
    job = run(fallback.RestoreFallback, service, kept, "--keep-days", "3")
    assert (job["method"], job["state"], job["server"]) == ("restore", "queued", "web-1")
    assert job["parameters"].machine_readable()["keep_fallback_days"] == 3
    assert run(fallback.ListFallback, service)[0][-1] == f"restore {job['id']}"
    with pytest.raises(CommandError, match=r"live-update\.fallback\.busy") as told:
        run(fallback.DeleteFallback, service, kept)
    assert "Remedy: wait for that job to end" in str(told.value)


def test_a_fallback_is_ended_early(service: Proxy, kept: str) -> None:
    job = run(fallback.DeleteFallback, service, kept)
    assert (job["method"], job["state"]) == ("fallback_expire", "queued")


@pytest.mark.parametrize("command", [fallback.DeleteFallback, fallback.RestoreFallback])
def test_a_command_may_be_repeated_with_its_key(service: Proxy, kept: str, command: type) -> None:
    made = {run(command, service, kept, "--idempotency-key", "k")["id"] for _ in range(2)}
    assert len(made) == 1


def test_the_checks_of_a_restore_are_a_preview(service: Proxy, kept: str) -> None:
    preview = service.preview_restore(kept)
    assert (preview.method, service.get_preview(preview.id).state) == ("restore", "queued")


def test_what_is_not_there_is_told(service: Proxy) -> None:
    with pytest.raises(CommandError, match=r"live-update\.fallback\.not-found"):
        run(fallback.ShowFallback, service, "99999999-9999-4999-8999-999999999999")
