"""Prometheus is asked over HTTP, and believed only as far as its answer makes sense. The server here is a real one."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from liveupdate.drivers.metrics import Nothing, make
from liveupdate.drivers.metrics.prometheus import QUERIES, Prometheus
from liveupdate.errors import Invalid
from liveupdate.model import NoData, Utilization
from liveupdate.settings import Metrics

NAMES = {query % {"label": "instance"}: name for name, query in QUERIES.items()}


def vector(**values: object) -> dict[str, Any]:
    """An instant vector: host → value, on port 9100."""
    series = [{"metric": {"instance": f"{h}:9100"}, "value": [1700000000.0, str(v)]} for h, v in values.items()]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


@dataclass
class Server:
    url: str = ""
    status: int = 200
    answers: dict[str, Any] = field(default_factory=dict)
    raw: bytes | None = None


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server(
        answers={
            "cpu": vector(host1=0.25, host2=0.5),
            "memory": vector(host1=0.75, host2=0.125),
            "age": vector(host1=7, host2=12),
            "minutes": vector(host1=15, host2=16),
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)["query"][0]
            body = told.raw if told.raw is not None else json.dumps(told.answers[NAMES[asked]]).encode()
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{serving.server_port}/"
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    serving.shutdown()
    thread.join()
    serving.server_close()


def ask(server: Server, *hosts: str) -> dict[str, Utilization | NoData]:
    return Prometheus(server.url, "instance", 120).utilization(hosts or ("host1",))


def why(server: Server) -> str:
    [answer] = ask(server).values()
    assert isinstance(answer, NoData)
    return answer.why


def test_the_means_of_each_host_are_read(server: Server) -> None:
    found = ask(server, "host1", "host2")
    assert found == {"host1": Utilization(0.25, 0.75), "host2": Utilization(0.5, 0.125)}


def test_the_queries_are_of_15_minutes() -> None:
    assert all("[15m]" in QUERIES[name] for name in ("cpu", "memory"))


def test_a_host_without_samples_has_no_data(server: Server) -> None:
    assert ask(server, "host3") == {"host3": NoData("Prometheus has no samples of it")}


@pytest.mark.parametrize("name", ["cpu", "memory", "age", "minutes"])
def test_nor_has_one_that_lacks_a_metric(server: Server, name: str) -> None:
    server.answers[name] = vector(host2=0.1)
    assert why(server) == "Prometheus has no samples of it"


def test_a_stale_sample_is_not_believed(server: Server) -> None:
    server.answers["age"] = vector(host1=121)
    assert why(server) == "its last sample is 121 s old, 120 s are allowed"


def test_nor_one_from_the_future(server: Server) -> None:
    server.answers["age"] = vector(host1=-60)
    assert "-60 s old" in why(server)


@pytest.mark.parametrize("minutes", [1, 12])
def test_a_host_that_was_not_there_most_of_the_time_has_no_mean_of_15_minutes(server: Server, minutes: int) -> None:
    server.answers["minutes"] = vector(host1=minutes)
    assert why(server) == f"it has been measured in {minutes} of the last 15 minutes, 13 are needed"


@pytest.mark.parametrize(("cpu", "memory"), [(1.5, 0.5), (0.5, -0.5)])
def test_shares_out_of_bounds_are_not_believed(server: Server, cpu: float, memory: float) -> None:
    server.answers |= {"cpu": vector(host1=cpu), "memory": vector(host1=memory)}
    assert "make no sense" in why(server)


def test_a_hair_out_of_bounds_is_rounding(server: Server) -> None:
    server.answers["cpu"] = vector(host1=-0.001)
    assert ask(server)["host1"] == Utilization(0.0, 0.75)


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_what_is_no_number_is_no_sample(server: Server, value: str) -> None:
    server.answers["cpu"] = vector(host1=value)
    assert why(server) == "Prometheus has no samples of it"


def test_two_series_of_one_name_are_ambiguous(server: Server) -> None:
    server.answers["cpu"]["data"]["result"] += vector(host1=0.9)["data"]["result"]
    assert why(server) == "Prometheus has several series of this name"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"status": "error"}',
        b'{"status": "success", "data": {"resultType": "matrix", "result": []}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]}}',
    ],
)
def test_an_answer_of_another_shape_is_no_data(server: Server, raw: bytes) -> None:
    server.raw = raw
    assert why(server).startswith("Prometheus' answer cannot be used")


def test_an_error_is_no_data(server: Server) -> None:
    server.status = 503
    assert why(server) == "Prometheus' answer cannot be used: status 503"


def test_nobody_there_is_no_data_and_the_url_is_not_told() -> None:
    found = Prometheus("http://user:secret@127.0.0.1:1", "instance", 120).utilization(["host1"])
    assert found == {"host1": NoData("Prometheus does not answer: ConnectionError")}


def test_the_source_is_chosen_by_its_name() -> None:
    assert isinstance(make(Metrics("prometheus", "http://x", "instance", 120)), Prometheus)
    nothing = make(Metrics("none", "", "instance", 120))
    assert isinstance(nothing, Nothing)
    assert nothing.utilization(["host1"]) == {"host1": NoData("no metrics source is configured")}


def test_a_source_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="'entrails'"):
        make(Metrics("entrails", "", "instance", 120))
