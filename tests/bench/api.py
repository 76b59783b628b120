"""Our API beside Keystone's and Nova's, on one machine in one run: requests per second, and how long one takes.

``OS_CLIENT_CONFIG_FILE=lab/state/clouds.yaml python -m tests.bench.api`` expects the lab up and takes about three
minutes. ``liveupdate-api``, one process, with a MariaDB of its own, as the lab's Nova has one (its API and Keystone's
are two processes each). Every request of ours has its token checked; creating a job asks Nova for the server and
Keystone for a trust. Lists are of as many servers as jobs. The servers have no guests, and no worker touches them.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import openstack
import requests
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, update

from lab.demo.servers import wait_for
from lab.settings import PATIENCE
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine, write
from liveupdate.db.tables import jobs
from liveupdate.drivers.cloud import Clouds, trusts
from liveupdate.states import JobState
from liveupdate.worker.reaper import delete_trusts
from tests import ports
from tests.db import servers

SERVERS, SECONDS, WARM = 24, 8.0, 1.0
CLIENTS = (1, 8)
NAME = "bench-api"

#: (number of the client, its connection) → seconds that one request took. Raises RuntimeError for a refusal.
Ask = Callable[[int, requests.Session], float]


@dataclass(frozen=True)
class Figures:
    """Of one kind of request; times in milliseconds."""

    what: str
    clients: int
    per_second: float
    p50: float
    p99: float


def measure(what: str, clients: int, ask: Ask, seconds: float = SECONDS) -> Figures:
    """So many clients, each asking again as soon as it is answered; the first second does not count."""
    took: list[list[float]] = [[] for _ in range(clients)]
    faults: list[Exception] = []
    begun = time.monotonic()

    def client(number: int) -> None:
        with requests.Session() as session:
            try:
                while (now := time.monotonic() - begun) < WARM + seconds:
                    answered_in = ask(number, session)
                    if now > WARM:
                        took[number].append(answered_in)
            except Exception as error:
                faults.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    times = sorted(1000 * each for mine in took for each in mine)
    # what a client does between two requests is not the service's
    per_second = sum(len(mine) / sum(mine) for mine in took if mine)
    return Figures(what, clients, per_second, median(times), times[int(0.99 * len(times))])


def get(url: str, headers: dict[str, str]) -> Ask:
    def ask(_: int, session: requests.Session) -> float:
        return _timed(session, "GET", url, headers)[0]

    return ask


def create(url: str, headers: dict[str, str], server_ids: Sequence[str], engine: Engine) -> Ask:
    """A job for one of the client's servers; which is free for the next one at once, as if the job were over."""
    turns = count()

    def ask(number: int, session: requests.Session) -> float:
        mine = server_ids[number :: max(CLIENTS)]
        body = {"job": {"method": "surrogate", "server_id": mine[next(turns) % len(mine)]}}
        took, answer = _timed(session, "POST", f"{url}/v1/jobs", headers, json=body)
        over = {"state": JobState.CANCELLED, "open_server_id": None}
        job = answer.json()["job"]["id"]
        write(engine, lambda connection: connection.execute(update(jobs).where(jobs.c.id == job).values(**over)))
        return took

    return ask


def _timed(
    session: requests.Session, method: str, url: str, headers: dict[str, str], **more: Any
) -> tuple[float, requests.Response]:
    begun = time.perf_counter()
    answer = session.request(method, url, headers=headers, timeout=60, **more)
    took = time.perf_counter() - begun
    if answer.status_code >= 300:
        raise RuntimeError(f"{method} {url}: {answer.status_code} {answer.text[:500]}")
    return took, answer


@contextmanager
def api(folder: Path, database: str) -> Iterator[str]:
    """liveupdate-api as it is, without limits; its root URL."""
    port, config = ports.free(), folder / "liveupdate.conf"
    limits = f"[api]\nport = {port}\nrate_limit = 0\njobs_per_project = 0\n"
    config.write_text(f"{limits}[database]\nconnection = {database}\n")
    argv = [sys.executable, "-m", "liveupdate.cmd.api", "--config-file", str(config)]
    url, log = f"http://127.0.0.1:{port}", folder / "api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output)
    try:
        wait_for(lambda: process.poll() is not None or _answers(url), 60, "liveupdate-api")
        if process.poll() is not None:
            raise RuntimeError(f"liveupdate-api: {log.read_text()[-2000:]}")
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthcheck", timeout=2).ok
    except requests.ConnectionError:
        return False


@contextmanager
def booted(user: Any) -> Iterator[list[str]]:
    """Servers without guests, on hosts with the fake driver; their ids. They are gone afterwards."""
    _clean(user)
    wanted = {
        "image_id": user.image.find_image("tiny", ignore_missing=False).id,
        "flavor_id": user.compute.find_flavor("tiny", ignore_missing=False).id,
        "networks": [{"uuid": user.network.find_network("lab", ignore_missing=False).id}],
    }
    try:
        made = [user.compute.create_server(name=f"{NAME}-{n}", **wanted) for n in range(SERVERS)]
        for server in made:
            user.compute.wait_for_server(server, interval=1, wait=PATIENCE)
        yield [server.id for server in made]
    finally:
        _clean(user)


def _clean(user: Any) -> None:
    there = list(user.compute.servers(name=f"^{NAME}-"))
    for server in there:
        user.compute.delete_server(server)
    for server in there:
        user.compute.wait_for_delete(server, interval=1, wait=PATIENCE)


def bench(user: Any, url: str, engine: Engine, server_ids: Sequence[str]) -> Iterator[Figures]:
    """One kind after the other, with one client and with several."""
    auth = {"X-Auth-Token": user.session.get_token()}
    keystone = user.config.config["auth"]["auth_url"]
    nova = user.compute.get_endpoint()
    for clients in CLIENTS:
        checked = {**auth, "X-Subject-Token": auth["X-Auth-Token"]}
        yield measure("Keystone: validate a token", clients, get(f"{keystone}/auth/tokens", checked))
        yield measure("Nova: list servers", clients, get(f"{nova}/servers/detail?limit={SERVERS}", auth))
        yield measure("ours: create a job", clients, create(url, auth, server_ids, engine))
        listed = requests.get(f"{url}/v1/jobs?limit={SERVERS}", headers=auth, timeout=60).json()["jobs"]
        if len(listed) != SERVERS:
            raise RuntimeError(f"only {len(listed)} jobs to list")
        yield measure("ours: list jobs", clients, get(f"{url}/v1/jobs?limit={SERVERS}", auth))
        yield measure("ours: show a job", clients, get(f"{url}/v1/jobs/{listed[0]['id']}", auth))


def show(console: Console, found: Sequence[Figures]) -> None:
    title = f"{SERVERS} jobs and servers a list, {os.cpu_count()} cores"
    table = Table("request", "clients", "a second", "p50 ms", "p99 ms", title=title, title_justify="left")
    for each in found:
        figures = (f"{each.per_second:.0f}", f"{each.p50:.1f}", f"{each.p99:.1f}")
        table.add_row(each.what, str(each.clients), *figures, end_section=each.what.startswith("ours: show"))
    console.print(table)


def main() -> None:
    user = openstack.connect(cloud="demo")
    with tempfile.TemporaryDirectory(prefix="liveupdate-bench-") as name, servers.mariadb(Path(name)) as database:
        engine = open_engine(database)
        upgrade(engine)
        try:
            with booted(user) as server_ids, api(Path(name), database) as url:
                found = list(bench(user, url, engine, server_ids))
        finally:
            service = Clouds("liveupdate").service_connection().session
            while delete_trusts(engine, lambda trust_id: trusts.delete(service, trust_id)):
                pass
            engine.dispose()
    show(Console(), found)


if __name__ == "__main__":
    main()
