"""A cloud and two guests in memory, and workers that bring the whole method surrogate to its end there.

Only the preflight (its findings are given) and the update (its packages are) are stand-ins. The guests refuse to serve
twice, and to resume without knowing that the other is down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from liveupdate import methods
from liveupdate.errors import Failed
from liveupdate.model import Job, Json
from liveupdate.planning import boot_set
from liveupdate.states import JobState
from liveupdate.steps.checking import own_server
from liveupdate.steps.protocol import NOT_DONE, Step, StepContext
from liveupdate.steps.server_facts import describe
from liveupdate.testing.boot_sets import disks_of
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.jobs import accept
from liveupdate.testing.pair import Pair, PairedGuest, guests
from liveupdate.testing.surroundings import in_memory
from tests.engine.killable import Workers
from tests.steps.debian import MACHINE_ID, NEW, OLD

METHOD = methods.find("surrogate")


@dataclass
class Site(Workers):
    """A cloud with one server, and its workers. What strikes: calls into cloud and guests."""

    #: Makes the cloud.
    made: Callable[[], World] = with_server
    #: Of its data volume.
    multiattach: bool = True
    #: What every job is asked for.
    parameters: Json = field(default_factory=dict)
    pairs: ClassVar[type[Pair]] = Pair
    machines: ClassVar[type[PairedGuest]] = PairedGuest

    def __post_init__(self) -> None:
        world = self.made()
        world.volumes["data-volume"] = replace(world.volumes["data-volume"], multiattach=self.multiattach)
        self.pair = self.pairs(world, {"original": "original"})
        self.world = world
        world.strike = self.pair.before = self.strike
        self.before = world.seen()
        serials = tuple(v[:20] for v in world.volumes)
        self.steps = given_steps()
        self.surroundings = in_memory(world, guests(self.pair, serials, self.machines))

    def accept(self, **parameters: Any) -> str:
        return accept(
            self.engine, server_id="original", plan=METHOD.plan(), parameters={**self.parameters, **parameters}
        )

    def hold(self, job_id: str) -> Job:
        return self.work(job_id, lambda job: job.state == JobState.WAITING and job.step == "hold")

    def assert_updated(self, job_id: str) -> None:
        assert self.pair.serving == {"surrogate"}
        [server] = self.world.servers.values()
        assert (server.id, server.name, server.locked) == (self.pair.servers["surrogate"], "server", False)
        assert [(p.id, p.device_id) for p in self.world.ports.values()] == [("own-port", server.id)]
        assert self.world.volumes["data-volume"].servers == {server.id}
        self._assert_nothing_left(job_id, "surrogate")

    def assert_as_before(self, job_id: str) -> None:
        assert self.pair.serving == self.pair.wanted, self.pair.serving
        now = self.world.seen()
        assert now == self.before, {kind: (was, now[kind]) for kind, was in self.before.items() if was != now[kind]}
        self._assert_nothing_left(job_id, "original")

    def _assert_nothing_left(self, job_id: str, side: str) -> None:
        self.assert_nothing_open(job_id)
        assert not self.pair.linked
        left = self.pair.traces[side]
        assert not left or self.pair.servers[side] not in self.world.servers, f"left in the {side}: {left}"


def given_steps() -> Mapping[str, Step]:
    """All of them, but that the findings in the guest, and its packages, are given."""
    return {
        **methods.steps(),
        "preflight": stand_in("preflight", _preflight),
        "update": stand_in("update", lambda context: {"kernel_before": "1", "kernel_after": "2"}),
    }


def _preflight(context: StepContext) -> Json:
    """The boot set's file systems, and one on each data volume."""
    cloud, server = context.service_cloud(), own_server(context)
    if server.status != "ACTIVE":
        not_active = "live-update.server.not-active"
        raise Failed(f"the server is {server.status}", user_fault=True, code=not_active, remedy="start it")
    found, ext4 = describe(cloud, server), {"fstype": "ext4", "options": "rw"}
    guest = disks_of(volume["id"] for volume in found["volumes"])
    found["volumes"] = boot_set.decide(found["volumes"], guest)
    guest["mounts"] += [
        {"where": f"/data/{number}", **ext4, "by_id": f"/dev/disk/by-id/virtio-{volume['id']}"}
        for number, volume in enumerate(v for v in found["volumes"] if not v["boot"])
    ]
    return {
        "server": found,
        "guest": {**guest, "smbios_uuid": server.id, "kernel": OLD, "machine_id": MACHINE_ID, "hostname": "server"},
        "kernel": NEW,
        "host_key": "ssh-ed25519 AAAA",
        "units": [{"name": "kv.service", "handover": "move", "health": []}],
    }


def stand_in(name: str, apply: Callable[[StepContext], Json]) -> Step:
    return Step(name, name, lambda context: NOT_DONE, apply, lambda context: None)
