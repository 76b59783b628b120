"""The matrix's cloud where it is the lab's own, on simulated hosts: only the guests are doubles."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from openstack.exceptions import ConflictException, NotFoundException
from sqlalchemy import select

from lab.demo import inventory
from lab.settings import PATIENCE
from liveupdate import methods
from liveupdate.db import clock, words
from liveupdate.db.session import read
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.drivers.cloud import Cloud, Clouds
from liveupdate.drivers.metrics import Nothing
from liveupdate.engine.context import Surroundings
from liveupdate.settings import load
from liveupdate.steps.server_facts import describe
from liveupdate.testing.cloud import World
from liveupdate.testing.faults import Scene, unauthorized
from liveupdate.testing.jobs import accept, look, make_due, say
from liveupdate.testing.pair import Pair, guests
from liveupdate.testing.points import Point
from liveupdate.worker.reaper import delete_trusts
from tests.engine.killable import Workers
from tests.engine.site import given_steps
from tests.lab.originals import Tenant

METHOD = methods.find("surrogate")
#: Seconds that a job is parked at most: what it waits for comes sooner than its next try does on its own.
_PAUSE = 3.0
#: Seconds for what an ended job has left to go: nothing of it does so later than its job.
_GOES = 10.0
#: Of a server's facts: what a new one has of its own.
_ITS_OWN = ("id", "host", "volumes", "metadata")
#: A lock that its owner sets between the job's look and the job's own lock is overwritten by that.
_LOCK = ("locked", "locked_reason")


@dataclass
class Machines(Pair):
    """Doubles of guests on servers that the cloud has."""

    cloud: Cloud = field(kw_only=True)

    def volumes_of(self, side: str) -> list[str]:
        return [there.volume_id for there in self.cloud.servers.volumes(self.servers[side])]

    def stopped(self, side: str) -> bool:
        server = self.cloud.servers.get(self.servers[side]) if side in self.servers else None
        return server is None or server.status == "SHUTOFF"


@dataclass
class RealCloud(Workers):
    """See stage.py: Ground. The project is the tenant's, and everything in it is its server's or the job's."""

    tenant: Tenant = field(kw_only=True)

    def __post_init__(self) -> None:
        self.original = self.tenant.server()
        self.before = inventory.take(self.tenant.user)
        self.clouds = Clouds("liveupdate")
        self.cloud = self.clouds.watcher()
        self.was = self._described(self.original)
        #: What others have taken away.
        self.gone: set[str] = set()
        self.lost = False
        self.pair: Pair = Machines(World(), {"original": self.original}, cloud=self.cloud)
        serials = tuple(volume["serial"] for volume in self.was["volumes"])
        self.steps = given_steps()
        self.surroundings = Surroundings(
            load(config_files=[]),
            self.clouds.user,
            self.clouds.service,
            guests(self.pair, serials),
            Nothing(),
        )

    def _described(self, server_id: str) -> dict[str, Any]:
        server = self.cloud.servers.get(server_id)
        assert server, f"server {server_id} is gone"
        return describe(self.cloud, server)

    # -- the job ---------------------------------------------------------------------------------------------------

    def accept(self, **parameters: Any) -> str:
        """Its fallback goes with it: what is there afterwards is the server, and nothing else."""
        return accept(
            self.engine,
            server_id=self.original,
            project_id=self.tenant.project_id,
            plan=METHOD.plan(),
            parameters={**parameters, "keep_fallback_days": 0},
            trust_id=self.tenant.trust(),
            roles=("member",),
            request_id=f"req-{uuid.uuid4()}",
        )

    def let_pass(self, job_id: str) -> None:
        """Whatever a worker knew of the clouds is forgotten, as when it gives the job back."""
        self.clouds.forget(job_id)
        with read(self.engine) as connection:
            due = connection.scalar(select(jobs_table.c.wake_at).where(jobs_table.c.id == job_id)) or 0
            now = clock.read(connection).timestamp()
        time.sleep(max(0.0, min(due / clock.SECOND - now, _PAUSE)))
        make_due(self.engine, job_id)

    def clean_up(self, job_id: str) -> None:
        """As the API: in the name of who asks, by a trust of its own."""
        old, new = look(self.engine, job_id)[0].trust_id, self.tenant.trust()
        say(self.engine, job_id, words.clean_up, new, ("member",))
        self.cloud.trusts.delete(old)

    # -- others ----------------------------------------------------------------------------------------------------

    def owner(self, deed: str) -> bool:
        compute = self.tenant.user.compute
        deeds: dict[str, Callable[[], object]] = {
            "lock": partial(compute.lock_server, self.original),
            "stop": partial(compute.stop_server, self.original),
        }
        try:
            # Nova takes a lock upon a lock, and nothing comes of it
            if compute.get_server(self.original).is_locked:
                return False
            deeds[deed]()
        except (ConflictException, NotFoundException):
            # locked since, or gone
            return False
        if deed == "lock":
            # what the job locks is known by its reason
            self.before["locks"][self.original] = "by its owner"
            self.was["locked"] = True
        else:
            server = compute.get_server(self.original)
            compute.wait_for_server(server, "SHUTOFF", interval=0.5, wait=PATIENCE)
            self.was["status"] = "SHUTOFF"
            self.pair.taken_off("original")
        return True

    def delete(self) -> bool:
        if not self._delete("original"):
            return False
        self.gone.add(self.original)
        return True

    def lose_surrogate(self) -> bool:
        self.lost = self._delete("surrogate")
        return self.lost

    def _delete(self, side: str) -> bool:
        compute, server = self.tenant.admin.compute, self._server(side)
        if server is None:
            return False
        compute.delete_server(server.id)
        compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)
        self.pair.taken_off(side)
        return True

    def _server(self, side: str) -> Any:
        """None if there is none, or not yet."""
        known = self.pair.servers.get(side)
        return self.tenant.admin.compute.find_server(known, all_projects=True) if known else None

    def shut_down(self, scene: Scene, side: str) -> bool:
        """By Nova: a simulated host has no guest that could. The original is locked against it."""
        compute, server = self.tenant.admin.compute, self._server(side)
        if server is None or server.status != "ACTIVE":
            return False
        compute.stop_server(server.id)
        compute.wait_for_server(server, "SHUTOFF", interval=0.5, wait=PATIENCE)
        self.pair.serving.discard(side)
        scene.conditions.callback(self._start, side)
        return True

    def _start(self, side: str) -> None:
        compute, server = self.tenant.admin.compute, self._server(side)
        if server is not None and server.status == "SHUTOFF":
            compute.start_server(server.id)
            compute.wait_for_server(server, interval=0.5, wait=PATIENCE)
            self.pair.restart(side)

    def host_down(self, scene: Scene, side: str) -> bool:
        raise NotImplementedError("the guests are doubles, and answer whatever becomes of a host")

    def cut(self, scene: Scene) -> None:
        raise NotImplementedError("it is between the guests, which are doubles here, too")

    def revoke_trust(self, scene: Scene, point: Point) -> None:
        """In Keystone; services that remember the token would take it for some minutes more."""
        for trust_id in inventory.take(self.tenant.user)["trusts"]:
            self.cloud.trusts.delete(trust_id)
        self.clouds.forget(scene.job_id)
        unauthorized(point)

    def use_up_quota(self, scene: Scene, point: Point) -> None:
        scene.conditions.callback(self.tenant.restore_quota)
        self.tenant.use_up_quota()

    # -- what is true ----------------------------------------------------------------------------------------------

    def everything(self) -> Cloud:
        return self.cloud

    def left_behind(self, kept: set[str]) -> list[str]:
        delete_trusts(self.engine, self.cloud.trusts.delete)
        return inventory.left_behind(self.tenant.user, self.before, kept, _GOES)

    def assert_updated(self, job_id: str) -> None:
        if self.lost:
            assert not inventory.take(self.tenant.user)["servers"]
            self.assert_nothing_open(job_id)
            return
        assert self.pair.serving == {"surrogate"}
        new = self.pair.servers["surrogate"]
        now = self._described(new)
        other = {k: (v, now[k]) for k, v in self.was.items() if k not in _ITS_OWN + _LOCK and v != now[k]}
        assert not other, other
        assert not now["locked"]
        assert now["metadata"]["owner"] == "me"
        [old_boot, old_data], [boot, data] = (_boot_first(facts["volumes"]) for facts in (self.was, now))
        for volume in (old_boot, boot):
            del volume["id"], volume["serial"], volume["metadata"], volume["description"], volume["paths"]
        assert {**boot, "servers": []} == {**old_boot, "servers": []}
        assert data == {**old_data, "servers": [new]}
        self._assert_nothing_left(job_id, {self.original})

    def assert_as_before(self, job_id: str) -> None:
        assert self.pair.serving == self.pair.wanted, self.pair.serving
        if not self.gone:
            now = self._described(self.original)
            assert now == self.was, {k: (v, now[k]) for k, v in self.was.items() if v != now[k]}
        self._assert_nothing_left(job_id, self.gone)

    def _assert_nothing_left(self, job_id: str, gone: set[str]) -> None:
        vanished = inventory.compare(self.before, inventory.take(self.tenant.user)).vanished
        assert set(vanished.get("servers", {})) == gone, vanished
        assert not vanished.get("ports"), vanished
        self.assert_nothing_open(job_id)
        assert not self.pair.linked


def _boot_first(volumes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted((dict(volume) for volume in volumes), key=lambda volume: not volume["boot"])
