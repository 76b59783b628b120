"""Two guests in memory that move a workload between them as the in-guest program does, and refuse to serve twice."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn

from liveupdate import lease, waiting
from liveupdate.errors import GuestError
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.cloud import World

_UNDECIDED = ("frozen", "granted", "ready")
#: Commands by which something of a job comes into a guest, or goes.
_BRING = {"guard_install": "guard", "management_up": "address", "multipath_up": "multipath"}
_TAKE = {"guard_remove": "guard", "management_down": "address", "multipath_down": "multipath"}
#: What is on the disk: a copy of it has it, too, and it outlives a boot.
_ON_DISK = {"guard", "note"}
#: In the name of the fallback's note.
_NOTE = "98-liveupdate"
#: Seconds that an answer is waited for.
_SILENCE = 60.0
#: The clock of both guests.
_NOW = 1000.0


@dataclass
class Pair:
    """``serving``: the sides that answer clients; ``wanted``: those that are to, if all is as it was. ``servers``:
    side → its server's id, once there is one.

    ``trouble``: what goes wrong in a cut-over: "" | "unlinked" | "before the grant" | "while restoring" | "sick" |
    "too late". ``cut``: whether no word passes between the two.
    ``silent``: sides that do not answer. ``hanging``: commands that are begun and never answered. ``away``, ``here``:
    sides whose disk says that the workload has left, or has been opened there. ``boots``: how often each has booted.
    ``failing``: sides where no boot brings the workload up, though the guard lets it. ``traces``: what of the job is in
    each of them.
    ``before``: called with each command first, and may raise. ``broken``: what must never be, and was: the engine takes
    an assertion that fails for a step's failure, and goes on.
    """

    world: World
    servers: dict[str, str]
    trouble: str = ""
    cut: bool = False
    silent: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    boots: dict[str, int] = field(default_factory=lambda: {"original": 1, "surrogate": 1})
    away: set[str] = field(default_factory=set)
    here: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    traces: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    before: Callable[[str], None] = lambda command: None
    serving: set[str] = field(default_factory=lambda: {"original"})
    wanted: set[str] = field(default_factory=lambda: {"original"})
    roles: dict[str, str | None] = field(default_factory=lambda: {"original": None, "surrogate": None})
    phases: dict[str, str] = field(default_factory=lambda: {"original": "idle", "surrogate": "idle"})
    linked: bool = False
    mounts: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def other(self, side: str) -> str:
        return "surrogate" if side == "original" else "original"

    def must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)
            raise AssertionError(otherwise)

    def serve(self, side: str) -> None:
        self.must(not self.serving - {side}, f"split brain: {side} begins to serve beside {self.serving}")
        self.serving.add(side)

    def taken_off(self, side: str) -> None:
        """By its owner, for good."""
        self.serving.discard(side)
        self.wanted.discard(side)
        self.linked = False

    def own(self, side: str, *, here: bool) -> None:
        """As the in-guest program writes it down for its guard."""
        mark, other = (self.here, self.away) if here else (self.away, self.here)
        mark.add(side)
        other.discard(side)

    def unheard(self, side: str) -> bool:
        """By the other one."""
        return self.cut or side in self.silent or self.stopped(side)

    def volumes_at(self, side: str) -> bool:
        """Whether the machine has every volume that it must mount."""
        attached = self.volumes_of(side)
        return all(any(volume in mount["device"] for volume in attached) for mount in self.mounts)

    def volumes_of(self, side: str) -> Collection[str]:
        """The ids of those that the machine has."""
        return self.world.attached.get(self.servers[side], {})

    def restart(self, side: str) -> None:
        """The guest boots: what it knew of the move is gone, but for the guard's mark on its disk."""
        self.serving.discard(side)
        self.roles[side], self.phases[side], self.linked = None, "idle", False
        self.boots[side] += 1
        self.traces[side] &= _ON_DISK
        guarded = side in self.away or (side == "surrogate" and side not in self.here)
        if not guarded and side not in self.failing:
            self.serve(side)

    def provisioned(self, server_id: str) -> None:
        """The surrogate, on a copy of the original's disk."""
        if self.servers.get("surrogate") != server_id:
            self.servers["surrogate"] = server_id
            self.traces["surrogate"] = self.traces["original"] & _ON_DISK

    def stopped(self, side: str) -> bool:
        server = self.world.servers.get(self.servers.get(side, ""))
        return server is None or server.status == "SHUTOFF"


@dataclass
class PairedGuest:
    """The guest driver and its agent in one: see drivers/guest."""

    pair: Pair
    side: str
    address: str = ""
    serials: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)

    def reachable(self) -> bool:
        return not self._down()

    def agent(self) -> "PairedGuest":
        return self

    @property
    def traces(self) -> set[str]:
        return self.pair.traces[self.side]

    def close(self) -> None:
        """Nothing is kept open in memory."""

    def remove_agent(self) -> None:
        self._take("remove_agent")
        self.traces.discard("agent")

    def run(self, argv: Sequence[str], **_: Any) -> SimpleNamespace:
        self._take("run")
        self._hang("run")
        if _NOTE in argv[-1]:
            (self.traces.discard if argv[0] == "rm" else self.traces.add)("note")
        if argv[0] == "test":
            marked = {"away": self.pair.away, "here": self.pair.here}[argv[-1].rpartition("/")[2]]
            return SimpleNamespace(code=0 if self.side in marked else 1, stdout="", stderr="")
        if argv[:2] == ["systemctl", "is-active"]:
            return SimpleNamespace(code=0 if self.side in self.pair.serving else 3, stdout="", stderr="")
        return SimpleNamespace(code=0, stdout="\n".join(self.serials), stderr="")

    def clock(self) -> float:
        self._take("clock")
        return _NOW

    def flush(self) -> None:
        self._take("flush")

    @contextmanager
    def freeze(self, mounts: Sequence[str], watchdog: float) -> Iterator[SimpleNamespace]:
        self._take("freeze")
        yield SimpleNamespace(since=_NOW, milliseconds=360)

    def oneshot(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self._take(command)
        self._hang(command)
        self.traces.add("agent")
        if command in _BRING:
            self.traces.add(_BRING[command])
        self.traces.discard(_TAKE.get(command, ""))
        if command == "management_up":
            self.address = arguments["address"]
        elif command == "management_down":
            self.address = ""
        return {}

    def send(self, command: str, **arguments: Any) -> Callable[[float], dict[str, Any] | None]:
        try:
            told = self._begin(command, **arguments)
        except GuestError as error:
            return partial(_raise, error)

        def look(_: float) -> dict[str, Any] | None:
            waiting.look()
            return None if command in self.pair.hanging else told

        return look

    def call(self, command: str, *, timeout: float = 60.0, **arguments: Any) -> dict[str, Any]:
        known = self._begin(command, **arguments)
        self._hang(command)
        return known

    def _begin(self, command: str, **arguments: Any) -> dict[str, Any]:
        self._take(command)
        self.traces.add("agent")
        known: dict[str, Any] = getattr(self, f"_{command}")(**arguments)
        return known

    def _hang(self, command: str) -> None:
        """As the driver: it waits as long as it is wanted, and no longer than a minute."""
        end = time.monotonic() + _SILENCE
        while command in self.pair.hanging:
            waiting.look()
            if time.monotonic() > end:
                raise GuestError("no answer", code="live-update.guest.silent")
            time.sleep(0.01)

    def _take(self, command: str) -> None:
        lease.require()
        self.pair.before(f"{self.side} {command}")
        if self._down():
            raise GuestError("no answer", code="live-update.guest.unreachable")
        self.asked.append(command)

    def _down(self) -> bool:
        return self.side in self.pair.silent or (self.side in self.pair.servers and self.pair.stopped(self.side))

    @property
    def phase(self) -> str:
        return self.pair.phases[self.side]

    @phase.setter
    def phase(self, name: str) -> None:
        self.pair.phases[self.side] = name

    # -- the commands -------------------------------------------------------------------------------------------------

    def _status(self) -> dict[str, Any]:
        other = self.pair.other(self.side)
        if self.phase == "frozen" and self.pair.unheard(other):
            self._resume_alone()
        elif self.phase == "frozen" and self.pair.volumes_at(other):
            self._grant()
        phases = [{"name": name, "realtime": _NOW, "monotonic": 10.0} for name in ("frozen", "granted", "opened")]
        return {
            "role": self.pair.roles[self.side],
            "phase": self.phase,
            "phases": phases,
            "timeline": [{"name": "unmounted", "ms": 5}],
            "linked": self.pair.linked,
            "blackout_ms": {"opened": 2000, "resumed": 900}.get(self.phase),
            "bytes": 7,
            "now": 1005.0,
            "boot_id": f"boot-{self.pair.boots[self.side]}",
            "returned": {"code": "guest.restore-failed", "detail": "no"} if self.phase == "returned" else None,
            "failure": {"code": "guest.dump-failed", "detail": "no"} if self.phase == "resumed" else None,
        }

    def _keygen(self) -> dict[str, Any]:
        return {"public_key": "ssh-ed25519 AAAA"}

    def _listen(self, address: str, public_key: str) -> dict[str, Any]:
        return {"port": 7022}

    def _link(self, *, broken: bool = False) -> None:
        if self.pair.unheard(self.pair.other(self.side)) or broken:
            raise GuestError("no answer from the other machine to clock", code="guest.link-broken")

    def _connect(self, **_: Any) -> dict[str, Any]:
        if self.pair.unheard(self.pair.other(self.side)):
            raise GuestError("the other machine does not answer", code="guest.link-refused")
        self.pair.linked = True
        return {"clock_offset": 0.01}

    def _prepare(self, role: str, move: dict[str, Any]) -> dict[str, Any]:
        # a source that has granted, and is asked back, has missed the word that the other machine opened
        missed = (self.pair.roles[self.side], self.phase, role) == ("source", "granted", "target")
        if self.phase in _UNDECIDED and not missed:
            raise GuestError("undecided", code="guest.undecided")
        attached = self.pair.volumes_of(self.side)
        missing = [
            system["where"] for system in move["systems"] if not any(v[:20] == system["serial"] for v in attached)
        ]
        self.pair.must(not missing, f"parts of the operating system are missing on the {self.side}: {missing}")
        moved = any(unit["handover"] == "move" for unit in move["units"])
        if role == "source" and moved and self.side not in self.pair.serving:
            raise GuestError("has no running main process", code="guest.unit-not-running")
        if role == "source":
            self._link()
        else:
            self.pair.own(self.side, here=False)
        self.pair.roles[self.side], self.phase, self.pair.mounts = role, "prepared", move["mounts"]
        return {}

    def _precopy(self) -> dict[str, Any]:
        self._link()
        number = len(self.pair.rounds)
        self.pair.rounds.append(number)
        self.phase = "precopied"
        return {"round": number, "bytes": 1000, "seconds": 1.0, "estimate_ms": max(2000, 20000 >> number * 2)}

    def _cut_over(self) -> dict[str, Any]:
        self._link(broken=self.pair.trouble == "unlinked")
        self.pair.serving.discard(self.side)
        if self.pair.trouble == "before the grant":
            self.phase = "resumed"
            self.pair.serve(self.side)
            return {}
        self.phase = "frozen"
        return {}

    def _grant(self) -> None:
        target = self.pair.other(self.side)
        self.phase = "granted"
        self.pair.own(self.side, here=False)
        restored = self.pair.trouble != "while restoring"
        self.pair.phases[target] = "ready" if restored else "returned"
        if not restored and self.pair.volumes_at(self.side):
            self._resume(fenced=False)

    def _probe(self) -> dict[str, Any]:
        if self.pair.roles[self.side] is None:
            raise GuestError("this machine is not the target of a move", code="guest.wrong-role")
        ok = self.pair.trouble != "sick"
        check = {"kind": "tcp", "what": "6379", "ok": ok, "detail": "refused"}
        return {"units": {"kv.service": {"ok": ok, "checks": [check]}}, "ok": ok}

    def _open(self) -> dict[str, Any]:
        if self.pair.roles[self.side] != "target":
            raise GuestError("this machine is not the target of a move", code="guest.wrong-role")
        if self.phase != "opened":
            if self.phase != "ready" or self.pair.trouble == "too late":
                raise GuestError("too late", code="guest.window-passed")
            self.phase = "opened"
            if not self.pair.cut:
                self.pair.phases[self.pair.other(self.side)] = "opened"
            self.pair.own(self.side, here=True)
            self.pair.serve(self.side)
        return {"opened": True}

    def _hand_back(self) -> dict[str, Any]:
        if self.phase == "opened":
            raise GuestError("opened", code="guest.opened")
        if self.phase in ("granted", "ready"):
            self.phase = "returned"
        return {"phase": self.phase}

    def _resume(self, fenced: bool) -> dict[str, Any]:
        target = self.pair.other(self.side)
        self.pair.must(self.pair.volumes_at(self.side), "resumed without its volumes")
        if self.phase == "granted":
            down = self.pair.stopped(target) if fenced else self.pair.phases[target] == "returned"
            self.pair.must(down, "resumed without knowing that the target is down")
        self.phase = "resumed"
        if self.side in self.pair.away:
            self.pair.own(self.side, here=True)
        self.pair.serve(self.side)
        return {"units": {}}

    def _resume_alone(self) -> None:
        """Frozen, not asked for the workload, and with its volumes: as soon as they are back, if they have left."""
        if self.pair.volumes_at(self.side):
            self._resume(fenced=False)

    def _finish(self) -> dict[str, Any]:
        if self.phase in _UNDECIDED:
            raise GuestError("undecided", code="guest.undecided")
        self.pair.linked = False
        return {}


def guests(
    pair: Pair, serials: Sequence[str], kind: type[PairedGuest] = PairedGuest
) -> Callable[[StepContext, str], Any]:
    """Both, as the engine asks for them; that the surrogate has a server is known once one is provisioned."""
    sides = {side: kind(pair, side, serials=serials) for side in ("original", "surrogate")}

    def guest(context: StepContext, side: str) -> PairedGuest:
        if made := context.result("provision"):
            pair.provisioned(made["server_id"])
        return sides[side]

    return guest


def _raise(error: GuestError, _: float) -> NoReturn:
    raise error
