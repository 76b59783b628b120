"""Every call to another service is counted by service, verb and outcome."""

from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from keystoneauth1 import exceptions, noauth

from liveupdate import figures
from liveupdate.drivers.cloud.session import Session, named


@pytest.fixture
def heard() -> list[Message]:
    """The headers of every request."""
    return []


@pytest.fixture
def server(heard: list[Message]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers)
            self.send_response(int(self.path.rpartition("/")[2]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    made = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def count(service: str, outcome: str) -> float:
    labels = {"service": service, "verb": "GET", "outcome": outcome}
    return figures.WORKER.get_sample_value("liveupdate_cloud_call_seconds_count", labels) or 0.0


@pytest.mark.parametrize(("status", "raises"), [(200, False), (404, True), (503, True), (409, False)])
def test_an_answer(server: str, status: int, raises: bool) -> None:
    before = count("compute", str(status))
    session = Session(auth=noauth.NoAuth(endpoint=server))
    options = {"endpoint_filter": {"service_type": "compute"}, "raise_exc": raises}
    with suppress(exceptions.HttpError):
        session.get(f"{server}/{status}", **options)
    assert count("compute", str(status)) - before == 1


def test_no_answer() -> None:
    before = count("identity", "no_answer")
    with pytest.raises(exceptions.ConnectFailure):
        Session(auth=noauth.NoAuth()).get("http://127.0.0.1:1/", authenticated=False)
    assert count("identity", "no_answer") - before == 1


@pytest.mark.parametrize("theirs", ["req-theirs", ""])
def test_every_call_says_what_it_is_made_for_by_both_ids(server: str, heard: list[Message], theirs: str) -> None:
    Session(auth=noauth.NoAuth(endpoint=server), **named("req-ours", theirs)).get(f"{server}/200")
    assert heard[-1]["X-OpenStack-Request-Id"] == (theirs or "req-ours")
    assert "liveupdate/req-ours" in heard[-1]["User-Agent"]


def test_what_is_made_for_no_request_says_none(server: str, heard: list[Message]) -> None:
    Session(auth=noauth.NoAuth(endpoint=server), **named("")).get(f"{server}/200")
    assert heard[-1]["X-OpenStack-Request-Id"] is None
