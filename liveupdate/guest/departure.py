"""The source's part: copy ahead, freeze, hand over; and resume by itself unless it has granted."""

from __future__ import annotations

import base64
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

from . import adoption, checkpoint, disks, fence, health, images, nics, places, proc, replay, resumption, units
from .errors import GuestError, describe
from .external import run
from .journal import Journal
from .link import Link
from .move import Move
from .shipment import Shipment

#: Seconds for one pre-dump: it does not hold the workload up.
_PRE_DUMP = 300
#: What the blackout takes beside a round: this many programs one after the other (nft, systemctl, mount, criu), and one
#: for each unit. How long one takes here, from 0.01 s to 0.4 s in an emulated guest, is measured (by criu itself).
_PROGRAMS = 9
#: Entries of the target's timeline that are kept.
_TOLD = 1000
#: Milliseconds, 35 years: no machine is up for longer, and a disk may have come when it booted.
_LONGEST = 1 << 40
#: The last round is longer than the one before: everything in it waits for the freeze.
_LAST_ROUND = 1.3

Tell = Callable[..., None]


class Departure:
    """One move away from this machine. ``tell(event, **detail)`` reaches the workers that are attached."""

    def __init__(self, move: Move, journal: Journal, link: Link, tell: Tell) -> None:
        self.move = move
        self._journal = journal
        self._link = link
        self._tell = tell
        #: Whoever holds it decides whose the workload is.
        self._authority = threading.RLock()
        #: Held until every dump has ended: who resumes must not take a task for alive that is about to be killed.
        self._leaving = threading.RLock()
        self._shipment = Shipment(move, journal, link)
        self._rounds = 0
        #: Held while CRIU looks at a unit ahead of the blackout; ``_given_up``: it shall not look at another.
        self._copying = threading.Lock()
        self._given_up = False
        #: Sent in the blackout.
        self._bytes = 0

    # -- before the blackout ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Look at the units, make room, and ask the target whether it could take them."""
        facts = {plan.name: _running(plan.name) for plan in self.move.with_handover("move")}
        needed = sum(fact["bytes"] for fact in facts.values())
        pids = [pid for fact in facts.values() for pid in fact["pids"]]
        ports = {name: fact["ports"] for name, fact in facts.items()}
        images.make_room(needed)
        places.prepare_mark(self.move.address_lines())
        fence.build()
        self._link.call("expect", 60, pids=pids, bytes=needed, ports=ports)
        shutil.rmtree(images.folder("cpu", "info"), ignore_errors=True)
        os.makedirs(images.folder("cpu", "info"))
        looked = run(["criu", "cpuinfo", "dump", "-D", images.folder("cpu", "info")], code="guest.cpu-unknown")
        self._shipment.images("cpu", "info")
        self._link.call("check_cpu", 60, frames=self._link.sent)
        began = time.time()
        offset = float(self._link.call("clock")["realtime"]) - (began + time.time()) / 2
        self._journal.enter("prepared", units=facts, clock_offset=offset, program_seconds=looked.seconds)

    def precopy(self) -> dict[str, Any]:
        """One round of memory and files while the workload runs: {round, bytes, seconds, estimate_ms}."""
        self._require("prepared", "precopied")
        began = time.monotonic()
        number, before = self._rounds, str(self._rounds - 1) if self._rounds else None
        moved = 0
        for name, fact in self._units().items():
            self._pre_dump(fact["pid"], images.folder(name, number), before)
            moved += self._shipment.images(name, str(number))
        moved += self._shipment.files(last=False)
        self._link.call("arrived", 300, frames=self._link.sent)
        self._rounds += 1
        seconds = time.monotonic() - began
        self._journal.enter("precopied", round=number, bytes=moved, seconds=seconds)
        return {"round": number, "bytes": moved, "seconds": round(seconds, 3), "estimate_ms": self._estimate()}

    def _pre_dump(self, pid: int, folder: str, before: str | None) -> None:
        with self._copying:
            if self._given_up:
                raise GuestError("guest.given-up", "the copying was given up", "prepare the move anew")
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            checkpoint.require(checkpoint.pre_dump(pid, folder, before, _PRE_DUMP), folder, "guest.pre-dump-failed")

    def _estimate(self) -> int:
        """Milliseconds of a blackout that began now: what the newest round took along would have changed again."""
        prepared, newest = self._journal.last("prepared") or {}, self._journal.last("precopied") or {}
        return blackout_ms(newest["seconds"], len(prepared["units"]), prepared["program_seconds"])

    # -- the blackout -------------------------------------------------------------------------------------------------

    def cut_over(self) -> dict[str, Any]:
        """Freeze and hand over; returns once granted. Raises GuestError after the workload has resumed here."""
        with self._leaving:
            self._require("prepared", "precopied")
            # better found out now than frozen
            self._link.call("clock", 10)
            adoption.let_go([plan.name for plan in self.move.with_handover("move", "restart")], self.move.places)
            with suppress(GuestError):  # a journal that is not kept on disk
                run(["journalctl", "--rotate"], timeout=30)
            deadline = time.monotonic() + self.move.dead_man_seconds
            self._journal.enter("frozen", deadline=deadline)
        self._tell("frozen")
        try:
            packets = self._fall_silent(deadline)
            left = _left(deadline)
            self._link.call("handed_over", left, frames=self._link.sent, seconds=left, packets=packets)
        except Exception as error:
            if self._journal.phase in ("granted", "opened"):
                return {"granted": True}  # only the answer was lost
            self._journal.mark("cut-over-failed", **describe(error))
            self._resume_for_certain()
            if isinstance(error, GuestError):
                raise GuestError(error.code, f"{error.detail} (the workload has resumed)", error.remedy) from error
            raise
        return {"granted": True, "bytes": self._bytes}

    def _fall_silent(self, deadline: float) -> list[str]:
        """Returns, once everything has left, what clients have sent in vain by then, in base64."""
        addresses = [address.address for address in self.move.addresses]
        with self._leaving:
            # a worker may have been quicker, and had it resumed
            self._require("frozen")
            places.set_away(True)
            missed = replay.Capture(addresses, [address.mac for address in self.move.addresses])
            try:
                fence.close(addresses)
                self._journal.mark("fenced")
                self._leave(deadline)
            finally:
                packets = missed.stop()
        return [base64.b64encode(packet).decode() for packet in packets]

    def _leave(self, deadline: float) -> None:
        """Memory, files and mounts, as much side by side as their order allows."""
        restarting = [plan.name for plan in self.move.with_handover("restart")]
        workers, senders = ThreadPoolExecutor(8), ThreadPoolExecutor(8)
        working: list[Future[None]] = [workers.submit(adoption.stop, restarting, _left(deadline))]
        sends: list[Future[int]] = []
        try:
            dumps = {name: workers.submit(self._dump, name, deadline) for name in self._units()}
            working += dumps.values()
            for name, dumped in dumps.items():
                _wait_frozen(images.folder(name, "final"), dumped)
            working[0].result()
            # nothing writes any more: what has changed by now is all there is
            files = senders.submit(self._shipment.files, last=True)
            sends.append(files)
            for name, dumped in dumps.items():
                dumped.result()
                streams = self._units()[name]["streams"]
                sends.append(senders.submit(self._shipment.images, name, "final", streams))
            self._journal.mark("dumped")
            if any(checkpoint.linked_again(images.folder(name, "final")) for name in dumps):
                sends.append(senders.submit(self._shipment.files, last=True, after=files))
            working.append(workers.submit(self._unmount, deadline))
            working[-1].result()
            self._bytes = sum(sent.result(timeout=_left(deadline)) for sent in sends)
        except FutureTimeout as error:
            raise GuestError("guest.dead-man", "the images could not be sent in time") from error
        finally:
            # whoever resumes must find every dump ended; a sender may hang on a dead link, and changes nothing here
            wait(working)
            for pool in (workers, senders):
                pool.shutdown(wait=False, cancel_futures=True)
        self._journal.mark("sent", bytes=self._bytes)

    def _dump(self, name: str, deadline: float) -> None:
        folder = images.folder(name, "final")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        before = str(self._rounds - 1) if self._rounds else None
        fact = self._units()[name]
        done = checkpoint.dump(fact["pid"], folder, before, _left(deadline))
        checkpoint.require(done, folder, "guest.dump-failed")
        adoption.stage(name, fact["streams"], stopped=False)
        self._journal.mark("dumped-unit", unit=name)

    def _unmount(self, deadline: float) -> None:
        disks.unmount(
            self.move.mounts, _left(deadline), lambda what, mount: self._journal.mark(f"{what} {mount.where}")
        )
        self._journal.mark("unmounted")
        self._tell("unmounted")

    def ask(self) -> dict[str, Any]:
        """The target asks for the workload. Written down here, and for a reboot, before the answer leaves."""
        with self._authority:
            frozen = self._journal.last("frozen")
            if self._journal.phase != "frozen" or frozen is None or time.monotonic() > frozen["deadline"]:
                raise GuestError("guest.not-granted", f"the source is {self._journal.phase}")
            places.disown()
            self._journal.enter("granted")
        self._tell("granted")
        return {}

    def opened(self, timeline: Any) -> dict[str, Any]:
        """The target serves: the blackout is over, by the clock that saw it begin.

        Raises GuestError(guest.bad-message) if its timeline is none.
        """
        told = _entries(timeline)
        with self._authority:
            if self._journal.phase == "granted":
                self._journal.enter("opened", target=told)
        self._tell("opened", blackout_ms=self.blackout_ms())
        return {}

    # -- the way back -------------------------------------------------------------------------------------------------

    def returned(self, ran: bool) -> dict[str, Any]:
        """The target has stopped everything and hands back; ``ran``: units have run there, and may have written."""
        self._journal.mark("handed-back", ran=ran)
        threading.Thread(target=self._resume_for_certain, name="resume", daemon=True).start()
        return {}

    def recover(self) -> None:
        """After this program died: what was frozen and not granted resumes; copies made ahead begin anew."""
        if self._journal.phase == "frozen":
            resumption.wait_for_criu(self.move.dead_man_seconds)
            for name, fact in self._units().items():
                if checkpoint.finished(images.folder(name, "final")):
                    adoption.stage(name, fact["streams"], stopped=False)
                    self._journal.mark("dumped-unit", unit=name)
            self._resume_for_certain()
        elif self._journal.phase in ("prepared", "precopied"):
            self._journal.enter("idle")

    def resume(self) -> dict[str, Any]:
        """Serve here again. The caller answers for it that the target does not, once the grant has been given."""
        with self._leaving, self._authority:
            if self._journal.phase == "opened":
                raise GuestError("guest.opened", "the workload lives on the other machine", "move it back instead")
            if self._journal.phase not in ("frozen", "granted"):
                return {"units": {}}
            disks.wait_for(self.move.mounts, time.monotonic() + 1)
            disks.mount(self.move.mounts)
            granted = self._journal.phase == "granted"
            stale = resumption.written_elsewhere(self.move, self._journal) if granted else None
            places.own()
            places.set_away(False)
            how = resumption.bring_back(self.move, self._journal, self._units(), stale)
            fence.lift()
            for address in self.move.addresses:
                nics.announce(address.address, address.mac)
            self._journal.enter("resumed", units=how, changed=stale or "")
        fence.clear_criu()
        adoption.forget((plan.name for plan in self.move.units), self.move.places)
        self._tell("resumed", units=how)
        return {"units": how, "changed": stale or ""}

    def _resume_for_certain(self) -> None:
        """Until it has worked, or somebody else has decided: a volume may still be on its way back."""
        while True:
            try:
                self.resume()
            except Exception as error:
                told = describe(error)
                if told["code"] == "guest.opened":
                    return
                if (self._journal.last("resume-failed") or {}).get("detail") != told["detail"]:
                    self._journal.mark("resume-failed", code=told["code"], detail=told["detail"])
                time.sleep(1)
            else:
                return

    def finish(self) -> None:
        """Leave nothing of ours behind. Where the workload has left, its silence stays."""
        if self._journal.phase in ("frozen", "granted"):
            raise GuestError("guest.undecided", "the move is neither done nor undone", "resume, or open, first")
        self._given_up = True
        # CRIU lets go of what it looks at by itself
        with self._copying:
            if self._journal.phase != "opened":
                fence.lift()
            fence.clear_criu()
            adoption.forget((plan.name for plan in self.move.units), self.move.places)
            images.give_back_room()

    def probe(self) -> dict[str, Any]:
        """The units' health while they are here, as the target's ``probe``."""
        ports = {name: fact["ports"] for name, fact in self._units().items()}
        return health.probe(self.move.with_handover("move", "restart", "start"), ports)

    # -- what is known ------------------------------------------------------------------------------------------------

    def blackout_ms(self) -> int | None:
        frozen = self._journal.last("frozen")
        end = self._journal.last("opened") or self._journal.last("resumed")
        if frozen is None or end is None or end["monotonic"] < frozen["monotonic"]:
            return None
        return round((float(end["monotonic"]) - float(frozen["monotonic"])) * 1000)

    def timeline(self) -> list[dict[str, Any]]:
        """What happened when in the blackout, in ms since it began; the target's part on its own clock, fitted in."""
        entries = self._journal.since("frozen")
        if not entries:
            return []
        began = entries[0]["monotonic"]
        here = [{"name": e["name"], "ms": round((e["monotonic"] - began) * 1000)} for e in entries]
        opened, granted = self._journal.last("opened"), self._journal.last("granted")
        if opened is None or granted is None or opened["monotonic"] < began:
            return here
        # the target counts from asking for the grant; what it had before the blackout, it has from its beginning
        asked = granted["monotonic"] - began
        there = [{"name": f"target {e['name']}", "ms": max(0, round(asked * 1000 + e["ms"]))} for e in opened["target"]]
        return sorted(here + there, key=lambda entry: int(entry["ms"]))

    @property
    def bytes(self) -> int:
        return self._bytes

    def _units(self) -> dict[str, dict[str, Any]]:
        # as the target of the move before, it was prepared without
        known: dict[str, dict[str, Any]] = (self._journal.last("prepared") or {}).get("units", {})
        return known

    def _require(self, *phases: str) -> None:
        if self._journal.phase not in phases:
            raise GuestError("guest.wrong-phase", f"{self._journal.phase}: must be {' or '.join(phases)}")


def _entries(timeline: Any) -> list[dict[str, Any]]:
    """The other machine's words: nobody must stumble over them later."""
    told = []
    for entry in timeline[:_TOLD] if isinstance(timeline, list) else [None]:
        name, ms = (entry.get("name"), entry.get("ms")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(ms, (int, float)) or not -_LONGEST < ms < _LONGEST:
            raise GuestError("guest.bad-message", "the other machine's timeline")
        told.append({"name": name[:200], "ms": round(ms)})
    return told


def blackout_ms(round_seconds: float, units: int, program_seconds: float) -> int:
    """What to expect after a round that took this long, where starting a program takes program_seconds."""
    return round(1000 * (_LAST_ROUND * round_seconds + (_PROGRAMS + units) * program_seconds))


def _wait_frozen(folder: str, dumped: Future[None]) -> None:
    """Until CRIU has stopped the whole tree: then it makes the files of its images, all at once."""
    while not dumped.done() and not os.path.exists(os.path.join(folder, "files.img")):
        time.sleep(0.005)


def _running(name: str) -> dict[str, Any]:
    """{pid, started, pids, bytes, ports, streams} of an active unit. Raises GuestError(guest.unit-not-running)."""
    [shown] = units.show(name)
    tree = proc.tree(shown.main_pid) if shown.active and shown.main_pid else []
    if not tree:
        raise GuestError("guest.unit-not-running", f"{name} has no running main process", "start it, or leave it out")
    pids = [process.pid for process in tree]
    return {
        "pid": shown.main_pid,
        "started": tree[0].started,
        "pids": pids,
        "bytes": sum(process.rss for process in tree),
        "ports": proc.listening(pids),
        "streams": {str(fd): inode for fd, inode in checkpoint.standard_streams(shown.main_pid).items()},
    }


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise GuestError("guest.dead-man", "the blackout took longer than the dead-man timer allows")
    return left
