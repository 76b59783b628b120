"""A service with one server, "web-1", for the examples: API and engine are real, cloud and guests are in memory.

Only the update of the packages is a stand-in. Time does not pass for steps that wait for the cloud or a guest.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, select, update

from liveupdate import methods
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.drivers.cloud.hosts import Host
from liveupdate.drivers.guest.connection import _unreachable
from liveupdate.engine.runner import Runner
from liveupdate.model import Json
from liveupdate.planning import package_findings
from liveupdate.states import OPEN, JobState
from liveupdate.steps.protocol import NOT_DONE, StepContext
from liveupdate.testing.cloud import CloudDouble, World, with_server
from liveupdate.testing.jobs import work
from liveupdate.testing.pair import Pair, PairedGuest, guests
from liveupdate.testing.surroundings import in_memory
from tests.api.conftest import SERVER, Cloud, golden, services_of
from tests.api.test_images import NETWORK, VOLUME
from tests.client.conftest import Proxy, served
from tests.steps.debian import NEW, OLD
from tests.steps.test_preflight import INSPECT, KEY, TRIAL
from tests.waiting import until

NAME = "web-1"
#: As in clouds.yaml → the token of the same role.
TOKENS = {cloud: f"{role}@project" for cloud, role in (("", "member"), ("manager", "manager"), ("admin", "admin"))}
_ROOT = {"where": "/", "fstype": "ext4", "options": "rw", "by_id": ""}
_DATA = {**_ROOT, "where": "/data", "by_id": "/dev/disk/by-id/virtio-data-volume"}
_GUEST = {**INSPECT, "smbios_uuid": SERVER, "kernel": OLD, "hostname": NAME, "mounts": [_ROOT, _DATA]}


@dataclass
class Guest(PairedGuest):
    """It can be looked into, too; where it does not answer, that is told as the driver tells it."""

    def _take(self, command: str) -> None:
        if self.side in self.pair.silent:
            raise _unreachable(TimeoutError())
        super()._take(command)

    def oneshot(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        looked: dict[str, dict[str, Any]] = {"inspect": _GUEST, "trial": TRIAL}
        return looked[command] if command in looked else super().oneshot(command, arguments)

    def run(self, argv: Any, **more: Any) -> SimpleNamespace:
        if argv == package_findings.SIMULATE:
            return SimpleNamespace(code=0, stdout=f"Known linux-image-{OLD}\nKnown linux-image-{NEW}\n", stderr="")
        if argv[0] in ("cat", "dpkg-query"):
            there = [OLD, NEW] if argv[0] == "dpkg-query" else [OLD]
            return SimpleNamespace(code=0, stdout="".join(f"ii linux-image-{r} 6.1.1-1\n" for r in there), stderr="")
        return super().run(argv, **more)


@dataclass
class Site:
    """``silent_in``: a step in which guests do not answer. ``works``: whether there is a worker."""

    engine: Engine
    silent_in: str = ""
    works: bool = True
    world: World = field(default_factory=with_server)

    def __post_init__(self) -> None:
        world = self.world
        world.hosts = [Host(f"host{n}", provider_id=f"host{n}") for n in range(1, 7)]
        told = {"liveupdate:host_key": KEY}
        world.servers = {SERVER: replace(world.servers["original"], id=SERVER, name=NAME, metadata=told)}
        world.attached[SERVER] = world.attached.pop("original")
        world.ports["own-port"] = replace(world.ports["own-port"], device_id=SERVER)
        for volume in world.attached[SERVER]:
            world.update_volume(volume)
        self.pair = Pair(world, {"original": SERVER})
        serials = tuple(volume[:20] for volume in world.volumes)
        self.guest = guests(self.pair, serials, Guest)

    @contextmanager
    def running(self) -> Iterator["Site"]:
        """API and worker, until the end."""
        self.services = replace(
            services_of(
                self.engine, Cloud(golden=[golden(owner="project")]), lambda *_: CloudDouble(self.world, admin=True)
            ),
            methods=methods.load(),
        )
        self._proxies: dict[str, Proxy] = {}
        stop = threading.Event()
        worker = threading.Thread(target=self._work, args=(stop,))
        with ExitStack() as self._open:
            if self.works:
                worker.start()
            try:
                yield self
            finally:
                stop.set()
                if self.works:
                    worker.join()

    def client(self, cloud: str) -> SimpleNamespace:
        """OpenStackClient's client manager, for a user of ``cloud``."""
        if cloud not in self._proxies:
            self._proxies[cloud] = self._open.enter_context(served(self.services, TOKENS[cloud]))
        found = lambda name, **_: SimpleNamespace(id=VOLUME if name == "data" else name)  # noqa: E731
        connection = SimpleNamespace(
            live_update=self._proxies[cloud],
            compute=SimpleNamespace(find_server=self._server, find_flavor=found),
            network=SimpleNamespace(find_network=lambda name, **_: SimpleNamespace(id=NETWORK)),
            block_storage=SimpleNamespace(find_volume=found),
        )
        return SimpleNamespace(live_update=self._proxies[cloud], sdk_connection=connection)

    def _server(self, name: str, **_: Any) -> SimpleNamespace:
        [found] = [s.id for s in self.world.servers.values() if s.name == name]
        return SimpleNamespace(id=found)

    # -- the worker ---------------------------------------------------------------------------------------------------

    def _work(self, stop: threading.Event) -> None:
        steps = methods.steps()
        stand_in = replace(steps["update"], probe=lambda _: NOT_DONE, apply=_updated)
        runner = Runner(in_memory(self.world, self._guest), {**steps, "update": stand_in})
        while not stop.wait(0.02):
            self._let_time_pass()
            work(self.engine, runner)

    def _let_time_pass(self) -> None:
        """For jobs that wait within a step; those that wait for a person or for their time do wait."""
        waits = (jobs_table.c.state == JobState.WAITING, jobs_table.c.step.not_in(("", "hold")))
        with read(self.engine) as connection:
            if not connection.scalar(select(jobs_table.c.id).where(*waits, jobs_table.c.wake_at > 0).limit(1)):
                return
        write(self.engine, lambda connection: connection.execute(update(jobs_table).where(*waits).values(wake_at=0)))

    def _guest(self, context: StepContext, side: str) -> Any:
        self.pair.silent = {side} if context.spec.step == self.silent_in else set()
        return self.guest(context, side)


def _updated(context: StepContext) -> Json:
    return {"kernel_before": OLD, "kernel_after": NEW, "packages": [f"linux-image-{NEW}"], "rebooted": True}


def updated(service: Any) -> tuple[Any, Any]:
    """Its server is updated from a preview: both, as they were when they began; both have ended."""
    preview = service.create_preview(method="surrogate", server_id=SERVER)
    until(lambda: service.get_preview(preview.id).state not in OPEN)
    job = service.create_job(method="surrogate", server_id=SERVER, preview_id=preview.id)
    until(lambda: service.get_job(job.id).state not in OPEN)
    return preview, job
