"""The matrix's cloud in memory, and what others do in it."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from liveupdate.db import words
from liveupdate.steps import update
from liveupdate.testing.boot_sets import with_boot_set
from liveupdate.testing.cloud import CloudDouble, World, with_local_root
from liveupdate.testing.faults import Scene, cloud_as, counted, lasts, refuse, unauthorized
from liveupdate.testing.jobs import make_due, say
from liveupdate.testing.points import Point
from tests.engine.site import Site
from tests.faults.machines import Machine, Machines
from tests.faults.stage import FIRST, Outcome, Trial, perform
from tests.steps.debian import NEW

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud

_DEEDS: dict[str, dict[str, Any]] = {
    "lock": {"locked": True, "locked_reason": "by its owner"},
    "stop": {"status": "SHUTOFF"},
    "rebuild": {"status": "REBUILD"},
    "resize": {"status": "VERIFY_RESIZE"},
}


def _with_backups() -> World:
    return replace(with_boot_set(), backups={})


#: What a server is, and what is asked for it.
WORLDS: dict[str, dict[str, Any]] = {
    FIRST: {},
    "one server at a time": {"multiattach": False},
    "two boot volumes, backups": {"made": _with_backups, "parameters": {"fallback": "backup"}},
    "local disk": {"made": with_local_root, "multiattach": False},
}


@dataclass
class Doubles(Site):
    """See stage.py: Ground."""

    pair: Machines = field(init=False)
    #: The surrogate is gone, and with it what it served.
    lost: bool = field(init=False, default=False)
    pairs = Machines
    machines = Machine

    def __post_init__(self) -> None:
        super().__post_init__()
        self.steps = {**self.steps, "update": update.STEP}
        # nothing happens in these guests by the clock: a word that does not come is not waited for that long
        settings = self.surroundings.settings
        quick = replace(settings, surrogate=replace(settings.surrogate, dead_man=5.0, open_within=5.0))
        self.surroundings = replace(self.surroundings, settings=quick)

    def let_pass(self, job_id: str) -> None:
        self.pair.time_passes()
        make_due(self.engine, job_id)

    def assert_updated(self, job_id: str) -> None:
        if self.lost:
            assert not self.world.servers
            self.assert_nothing_open(job_id)
            return
        super().assert_updated(job_id)
        debian = self.pair.debian
        assert debian.running == NEW
        assert not [path for path in debian.disk if "liveupdate" in path]

    def clean_up(self, job_id: str) -> None:
        say(self.engine, job_id, words.clean_up, None)

    def everything(self) -> "Cloud":
        return CloudDouble(self.world, admin=True)  # type: ignore[return-value]

    def left_behind(self, kept: set[str]) -> list[str]:
        now = self.world.seen()
        appeared = [f"{kind}: {known}" for kind, there in now.items() for known in there.keys() - self.before[kind]]
        return [what for what in appeared if what.rpartition(" ")[2] not in kept]

    def owner(self, deed: str) -> bool:
        server = self.world.servers.get("original")
        if server is None or server.locked:
            return False
        for there in (self.world.servers, self.before["servers"]):
            there["original"] = replace(there["original"], **_DEEDS[deed])
        if deed == "stop":
            self.pair.taken_off("original")
        return True

    def delete(self) -> bool:
        if "original" not in self.world.servers:
            return False
        self.pair.taken_off("original")
        self.everything().servers.delete("original")
        self._gone(self.before)
        return True

    def lose_surrogate(self) -> bool:
        known = self.pair.servers.get("surrogate", "")
        if known not in self.world.servers:
            return False
        self.pair.taken_off("surrogate")
        self.everything().servers.delete(known)
        self.lost = True
        return True

    def _gone(self, seen: dict[str, Any]) -> None:
        """What was there before, without the original."""
        seen["servers"].pop("original")
        for plugged in seen["attached"].pop("original"):
            was = seen["volumes"].pop(plugged)
            if plugged in self.world.volumes:
                seen["volumes"][plugged] = replace(was, servers=frozenset(), status="available")
        for port in seen["ports"].values():
            seen["ports"][port.id] = replace(port, device_id="", status="DOWN")

    def shut_down(self, scene: Scene, side: str) -> bool:
        known = self.pair.servers.get(side, "")
        if known not in self.world.servers or self.pair.stopped(side):
            return False
        self.world.servers[known] = replace(self.world.servers[known], status="SHUTOFF")
        self.pair.serving.discard(side)
        scene.conditions.callback(self._start, side)
        return True

    def _start(self, side: str) -> None:
        server = self.world.servers.get(self.pair.servers[side])
        if server is not None and server.status == "SHUTOFF":
            self.world.servers[server.id] = replace(server, status="ACTIVE")
            self.pair.restart(side)

    def host_down(self, scene: Scene, side: str) -> bool:
        if self.pair.servers.get(side) not in self.world.servers or self.pair.stopped(side):
            return False
        self.pair.silent.add(side)
        self.pair.serving.discard(side)
        scene.conditions.callback(self._host_up, side)
        return True

    def _host_up(self, side: str) -> None:
        self.pair.silent.discard(side)
        if self.pair.servers[side] in self.world.servers and not self.pair.stopped(side):
            self.pair.restart(side)

    def cut(self, scene: Scene) -> None:
        self.pair.cut = True
        scene.conditions.callback(self._mend)

    def _mend(self) -> None:
        self.pair.cut = False

    def revoke_trust(self, scene: Scene, point: Point) -> None:
        lasts(cloud_as("user"), unauthorized)(scene, point)

    def use_up_quota(self, scene: Scene, point: Point) -> None:
        lasts(counted, lambda now: refuse(now, 403, "Quota exceeded"))(scene, point)


def play(engine: Engine, trial: Trial) -> tuple[Outcome, list[Point]]:
    """See stage.perform."""
    return perform(Doubles(engine, **WORLDS[trial.world]), trial)
