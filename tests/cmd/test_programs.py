"""The programs as systemd runs them: they start without Keystone, answer, and stop on SIGTERM with nothing in hand."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from liveupdate import methods
from liveupdate.db import workers
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine, read
from liveupdate.messaging import webhooks
from liveupdate.testing.jobs import accept
from tests import ports
from tests.waiting import PATIENCE, until

BIN = Path(sys.executable).parent
Start = Callable[[str], "subprocess.Popen[bytes]"]


class Site:
    """A configuration as an operator writes it; Keystone is away."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.figures = folder, ports.free(), ports.free()
        self.database = f"sqlite:///{folder}/l.sqlite"
        self.conf = folder / "liveupdate.conf"
        self.conf.write_text(
            f"[api]\nport = {self.port}\n[database]\nconnection = {self.database}\n[log]\nformat = json\n"
            f"[worker]\nmetrics_port = {self.figures}\npoll_interval = 0.1\n"
        )
        auth = {"auth_url": "http://127.0.0.1:1/v3", "username": "u", "password": "hunter2", "project_name": "service"}
        domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
        clouds = {"clouds": {"liveupdate": {"auth": {**auth, **domains}, "region_name": "R"}}}
        (folder / "clouds.yaml").write_text(json.dumps(clouds))

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def answer(self, url: str, process: "subprocess.Popen[bytes]") -> str:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                    return str(answer.read().decode())
            except OSError:
                assert process.poll() is None, self.log()
                assert time.monotonic() < end, self.log()
                time.sleep(0.1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    engine = open_engine(made.database)
    upgrade(engine)
    engine.dispose()
    return made


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def one(program: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(site.folder / "clouds.yaml")}
        argv = [str(BIN / program), "--config-file", str(site.conf)]
        with (site.folder / "log").open("ab") as output:
            started.append(subprocess.Popen(argv, stderr=output, stdout=output, env=environment, cwd=site.folder))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.wait()


def stopped(process: "subprocess.Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)


def seen(site: Site) -> int:
    engine = open_engine(site.database)
    with read(engine) as connection:
        return len(workers.lately(connection))


def test_the_worker(site: Site, start: Start) -> None:
    process = start("liveupdate-worker")
    assert "liveupdate_queue_age_seconds 0.0" in site.answer(f"http://127.0.0.1:{site.figures}/metrics", process)
    until(lambda: seen(site) == 1, site.log)
    assert stopped(process) == 0, site.log()
    assert seen(site) == 0
    # what libraries warn of while they are imported comes before the log begins
    lines = [json.loads(line) for line in site.log().splitlines() if line.startswith("{")]
    assert "has stopped" in lines[-1]["message"]


def test_a_worker_works_and_stops_though_its_broker_is_away(site: Site, start: Start) -> None:
    with site.conf.open("a") as conf:
        conf.write("[DEFAULT]\ntransport_url = rabbit://user:hunter2@127.0.0.1:1/\n")
    process = start("liveupdate-worker")
    until(lambda: seen(site) == 1, site.log)
    assert stopped(process) == 0, site.log()
    assert "hunter2" not in site.log()


class Receiver(HTTPServer):
    """A webhook's: what it is sent, with its headers."""

    def __init__(self) -> None:
        heard: Queue[tuple[dict[str, str], bytes]] = Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        self.heard = heard


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_the_worker_tells_a_webhook_that_the_project_can_check(site: Site, start: Start, receiver: Receiver) -> None:
    key = site.folder / "webhooks.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    url = f"http://127.0.0.1:{receiver.server_port}/in"
    with site.conf.open("a") as conf:
        conf.write(f"[webhooks]\nkey_file = {key}\nsubscription = project {url}\nallowed_networks = 127.0.0.0/8\n")
    engine = open_engine(site.database)
    job_id = accept(engine, plan=methods.load()["surrogate"].plan())
    start("liveupdate-worker")
    headers, body = receiver.heard.get(timeout=PATIENCE)
    told = json.loads(body)
    assert (told["event_type"], told["payload"]["job"]["id"]) == ("live_update.job.start", job_id)
    argv = [str(BIN / "liveupdate-manage"), "--config-file", str(site.conf), "webhook", "key", "project"]
    secret = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    signed = webhooks.sign(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signed
    assert "k" * 64 not in site.log()
    assert secret not in site.log()


def test_the_api_answers_what_was_asked_before_it_stops(site: Site, start: Start) -> None:
    process = start("liveupdate-api")
    assert json.loads(site.answer(f"http://127.0.0.1:{site.port}/healthcheck", process)) == {"status": "ok"}
    assert "liveupdate_api_request_seconds" in site.answer(f"http://127.0.0.1:{site.port}/metrics", process)
    # a connection that is open, and asks for nothing, does not hold it up
    with socket.create_connection(("127.0.0.1", site.port)):
        assert stopped(process) == 0, site.log()
    assert "hunter2" not in site.log()


def test_all_in_one_stops_its_worker_too(site: Site, start: Start) -> None:
    process = start("liveupdate-all")
    site.answer(f"http://127.0.0.1:{site.port}/healthcheck", process)
    site.answer(f"http://127.0.0.1:{site.figures}/metrics", process)
    assert stopped(process) == 0, site.log()
    assert "has stopped" in site.log()
    assert seen(site) == 0
