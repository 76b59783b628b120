"""Faults to inject at the points of a job (points.py): what each is, where it can hit, and how long it lasts.

Off in production by construction: nothing of the product imports this (a contract of import-linter), and it works
through what a worker is given: its clouds, its guests, its journal. A cloud's refusal is raised as a driver would.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol
from unittest import mock

from openstack import exceptions as sdk_errors
from sqlalchemy.exc import OperationalError

from liveupdate.drivers.cloud.errors import calling
from liveupdate.errors import GuestError
from liveupdate.testing.points import Point

#: Calls that make something, and may have when there is no answer: as drivers/cloud says of each.
CREATES = frozenset(
    {
        "attachments.create",
        "backups.create",
        "images.of_server",
        "ports.create",
        "servers.attach_port",
        "servers.attach_volume",
        "servers.create",
        "snapshots.create",
        "volumes.from_backup",
        "volumes.from_snapshot",
    }
)
#: Those that count against a quota.
_COUNTED = CREATES - {"servers.attach_port", "servers.attach_volume"}
#: Commands that write files in a guest, beside files that are written by name.
_WRITING = frozenset(
    {
        "adopt_nic",
        "cut_over",
        "guard_install",
        "guard_remove",
        "keygen",
        "listen",
        "management_up",
        "precopy",
        "prepare",
    }
)
#: Points that something lasts which passes by itself.
_A_WHILE = 4
_TEN_MINUTES = 600.0


class Killed(BaseException):
    """kill -9 of the worker: nothing of ours runs any more."""


class Others(Protocol):
    """Who else is at work in the cloud, a double or a real one. What lasts until it is healed is in ``conditions``.

    A deed that nothing comes of is False: a lock keeps who wants it from it, or the server is gone.
    """

    def owner(self, deed: str) -> bool:
        """The original's owner wants to "lock", "stop", "rebuild" or "resize" it; one that is locked refuses."""

    def delete(self) -> bool:
        """The original, by its owner or by an administrator for whom a lock is none."""

    def lose_surrogate(self) -> bool:
        """Deleted, by an administrator."""

    def shut_down(self, scene: "Scene", side: str) -> bool:
        """The "original" or the "surrogate", from inside, which no lock keeps its owner from. Healed, it is started."""

    def host_down(self, scene: "Scene", side: str) -> bool:
        """That server's: it is gone without a word, and Nova says ACTIVE still. Healed, it boots."""

    def cut(self, scene: "Scene") -> None:
        """No word passes between the guests, until it is healed; each hears the worker."""

    def revoke_trust(self, scene: "Scene", point: Point) -> None:
        """From here on nothing is done in the requester's name, until it is healed."""

    def use_up_quota(self, scene: "Scene", point: Point) -> None:
        """Somebody else in the project, until it is healed."""


class Scene(Protocol):
    """Where a fault strikes. ``lasting`` is asked at each point after that, until it is healed: it may raise."""

    lasting: Callable[[Point], None]
    #: What is closed when it is healed.
    conditions: ExitStack
    job_id: str
    #: A deed that nothing came of.
    in_vain: bool

    @property
    def others(self) -> Others: ...

    def heal(self) -> None:
        """What lasts, ends."""

    def freeze(self) -> None:
        """The worker stands still past its lease, the others go on; then it wakes."""

    def freeze_unaware(self) -> None:
        """Between its last look at the clock and the call that it is about to make."""

    def outlast(self, step: str) -> None:
        """So much time passes that the step is over its time-out."""

    def cancel(self) -> None:
        """Somebody asks for it; it may come too late."""


@dataclass(frozen=True)
class Fault:
    """``unfelt``: it is the worker's or the database's own, so a job ends as it would have without it.

    ``owners``: a deed of the server's owner, to it or to the surrogate, which a job that is undone for it names.
    """

    name: str
    hits: Callable[[Point], bool]
    strike: Callable[[Scene, Point], None]
    unfelt: bool = False
    owners: bool = False


# -- where -------------------------------------------------------------------------------------------------------------


def _any(_: Point) -> bool:
    return True


def _at(kind: str, when: str) -> Callable[[Point], bool]:
    return lambda point: (point.kind, point.when) == (kind, when)


def _outside(point: Point) -> bool:
    return point.when == "before" and point.kind != "journal"


def cloud_as(who: str) -> Callable[[Point], bool]:
    return lambda point: (point.kind, point.when, point.who) == ("cloud", "before", who)


def _surrogate(point: Point) -> bool:
    return (point.kind, point.when, point.who) == ("guest", "before", "surrogate")


def _written(point: Point) -> bool:
    """A command that writes in the guest."""
    writes = point.call in _WRITING or point.call.startswith("/")
    return point.kind == "guest" and point.when == "before" and writes


def counted(point: Point) -> bool:
    return point.when == "before" and point.call in _COUNTED


# -- what --------------------------------------------------------------------------------------------------------------


def _kill(scene: Scene, point: Point) -> None:
    raise Killed


def _freeze(scene: Scene, point: Point) -> None:
    scene.freeze()


def _freeze_unaware(scene: Scene, point: Point) -> None:
    scene.freeze_unaware()


def _refused(status: int, detail: str = "refused") -> Callable[[Scene, Point], None]:
    """The cloud answers so, once."""
    return lambda scene, point: refuse(point, status, detail)


def refuse(point: Point, status: int, detail: str) -> None:
    error = sdk_errors.HttpException(detail)
    error.status_code = status
    with calling(point.call, creates=point.call in CREATES):
        raise error


def unauthorized(point: Point) -> None:
    refuse(point, 401, "the token is not valid")


def _no_answer(scene: Scene, point: Point) -> None:
    with calling(point.call, creates=point.call in CREATES):
        raise sdk_errors.ResourceTimeout("no answer")


def _outlasted(scene: Scene, point: Point) -> None:
    scene.outlast(point.step)
    _no_answer(scene, point)


def lasts(hits: Callable[[Point], bool], raising: Callable[[Point], None], points: int = 0) -> Callable[..., None]:
    """From here on, wherever it hits: for so many points, or (0) until it is healed."""

    def strike(scene: Scene, point: Point) -> None:
        left = points

        def lasting(now: Point) -> None:
            nonlocal left
            if not hits(now):
                return
            if left:
                left -= 1
                if not left:
                    scene.heal()
            raising(now)

        scene.lasting = lasting
        lasting(point)

    return strike


def database_gone(_: Point) -> None:
    raise OperationalError("", {}, Exception("server closed the connection unexpectedly"))


def _silent_guest(point: Point) -> None:
    raise GuestError("no answer", code="live-update.guest.unreachable")


def _full_guest(_: Point) -> None:
    raise GuestError("no space left for an image", code="guest.disk-full", remedy="make room there, then try again")


def _skew(seconds: float) -> Callable[[Scene, Point], None]:
    """From here on the worker's clock is so far ahead. The engine never asks it: this is to show that it stays so."""

    def strike(scene: Scene, point: Point) -> None:
        real = time.time
        skewed = mock.Mock(side_effect=lambda: real() + seconds)
        scene.conditions.enter_context(mock.patch("time.time", skewed))

    return strike


def _others(deed: Callable[[Others, Scene], bool]) -> Callable[[Scene, Point], None]:
    def strike(scene: Scene, point: Point) -> None:
        scene.in_vain = not deed(scene.others, scene)

    return strike


def _off(side: str) -> Callable[[Scene, Point], None]:
    return _others(lambda others, scene: others.shut_down(scene, side))


def _down(side: str) -> Callable[[Scene, Point], None]:
    return _others(lambda others, scene: others.host_down(scene, side))


def _owner(deed: str) -> Callable[[Scene, Point], None]:
    return _others(lambda others, scene: others.owner(deed))


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("kill -9", _any, _kill, unfelt=True),
        Fault("frozen", _any, _freeze, unfelt=True),
        Fault(
            "frozen in call",
            lambda point: point.when == "before" and point.call in CREATES,
            _freeze_unaware,
            unfelt=True,
        ),
        Fault(
            "db away", _at("journal", "before"), lasts(_at("journal", "before"), database_gone, _A_WHILE), unfelt=True
        ),
        Fault("commit lost", _at("journal", "after"), lasts(_at("journal", "after"), database_gone, 1), unfelt=True),
        Fault("5xx", _at("cloud", "before"), _refused(503)),
        Fault("5xx a while", _at("cloud", "before"), lasts(_at("cloud", "before"), lambda p: refuse(p, 500, "no"), 4)),
        Fault("5xx for ever", _at("cloud", "before"), lasts(_at("cloud", "before"), lambda p: refuse(p, 500, "no"))),
        Fault("409", _at("cloud", "before"), _refused(409)),
        Fault("429", _at("cloud", "before"), _refused(429)),
        Fault("answer lost", _at("cloud", "after"), _no_answer),
        Fault("slow", _at("cloud", "before"), _outlasted),
        Fault("token", cloud_as("service"), lasts(cloud_as("service"), unauthorized)),
        Fault("trust", cloud_as("user"), lambda scene, point: scene.others.revoke_trust(scene, point)),
        Fault("quota", counted, lambda scene, point: scene.others.use_up_quota(scene, point)),
        Fault("clock +10m", _at("journal", "before"), _skew(_TEN_MINUTES), unfelt=True),
        Fault("clock -10m", _at("journal", "before"), _skew(-_TEN_MINUTES), unfelt=True),
        Fault("ssh cut", _at("guest", "before"), lasts(_at("guest", "before"), _silent_guest, _A_WHILE)),
        Fault("ssh lost", _at("guest", "after"), lambda scene, point: _silent_guest(point)),
        Fault("disk full", _written, lasts(_written, _full_guest)),
        Fault("guests cut", _at("guest", "before"), lambda scene, point: scene.others.cut(scene)),
        Fault("host down", _at("guest", "before"), _down("original")),
        Fault("surrogate's host", _surrogate, _down("surrogate")),
        Fault("surrogate off", _surrogate, _off("surrogate")),
        Fault("surrogate lost", _outside, _others(lambda others, scene: others.lose_surrogate()), owners=True),
        Fault("locked", _at("cloud", "before"), _owner("lock"), owners=True),
        Fault("stopped", _at("cloud", "before"), _owner("stop"), owners=True),
        Fault("shut down", _outside, _off("original"), owners=True),
        Fault("rebuilt", _at("cloud", "before"), _owner("rebuild"), owners=True),
        Fault("resized", _at("cloud", "before"), _owner("resize"), owners=True),
        Fault("deleted", _outside, _others(lambda others, scene: others.delete()), owners=True),
        Fault("cancelled", _outside, lambda scene, point: scene.cancel()),
    )
}
