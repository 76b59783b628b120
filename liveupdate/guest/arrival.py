"""The target's part: make ready, ask for the workload, bring it up behind the fence, open; or hand it back."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, cast

from . import adoption, disks, fence, health, images, nics, places, placing, proc, replay, units
from .chunks import ChunkReader
from .errors import GuestError, describe
from .external import run
from .files import Arriving
from .journal import Journal
from .link import Link
from .move import Move

Tell = Callable[..., None]
#: In the place of a unit: what the source's processor can do.
_CPU = "cpu"


class Arrival:
    """One move to this machine. ``tell(event, **detail)`` reaches the workers that are attached."""

    def __init__(self, move: Move, journal: Journal, link: Link, tell: Tell) -> None:
        self.move = move
        self._journal = journal
        self._link = link
        self._tell = tell
        self._authority = threading.RLock()
        self._stopped: list[int] = []
        self._missed: list[bytes] = []
        self._capture: replay.Capture | None = None
        self._inlet: replay.Inlet | None = None
        self._files = Arriving(move.scope(), move.files_since or 0.0, places.PLACED)

    # -- before the blackout ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Fence first; then let systemd know the units, and that starting them means restoring them."""
        fence.build([address.address for address in self.move.addresses])
        places.write_private(places.EXPECTING, "")
        places.set_away(True)
        adoption.expect(plan.name for plan in self.move.with_handover("move"))
        busy = [unit.name for unit in units.show(*self._names("move", "restart")) if unit.active]
        if busy:
            raise GuestError(
                "guest.unit-running", f"{', '.join(busy)} already runs on the target", "see why its guard let it start"
            )
        places.prepare_mark(self.move.address_lines())
        places.disown()
        adoption.start(self._names("start"))
        # it looks once what this kernel can do, and remembers; not in the blackout
        run(["criu", "check"], check=False)
        self._journal.enter("prepared")

    def expect(self, pids: list[int], bytes: int, ports: dict[str, list[tuple[str, int]]]) -> dict[str, Any]:
        """The source asks whether its units could live here: room for their memory, and their PIDs free."""
        images.make_room(bytes)
        taken = sorted(set(pids) & set(proc.pids()))
        if taken:
            raise GuestError(
                "guest.pid-taken", f"processes {taken[:10]} exist here too", "use another PID base, and boot it again"
            )
        self._journal.mark("expected", ports=ports)
        return {}

    def check_cpu(self, frames: int) -> dict[str, Any]:
        """Whether this processor has every feature that the source's processes may use."""
        self._link.wait_frames(frames, 60)
        checked = run(["criu", "cpuinfo", "check", "-D", images.folder(_CPU, "info")], check=False)
        if not checked.ok:
            raise GuestError(
                "guest.cpu-differs", checked.text[-500:] or "criu cpuinfo check failed", "choose a host with such CPUs"
            )
        return {}

    def known(self) -> dict[str, Any]:
        """What the target has on its boot set, for the source to compare."""
        return {"known": self._files.known()}

    def arrived(self, frames: int) -> dict[str, Any]:
        """Return when that many frames have been taken in; raises what failed."""
        self._link.wait_frames(frames, 290)
        return {}

    def receive(self, header: dict[str, Any], stream: IO[bytes]) -> None:
        """One frame of the link's data: a folder of images, or a round of files.

        Raises GuestError: guest.bad-message, guest.bad-files for a header that the program would not send.
        """
        if "images" in header:
            name, folder = str(header["images"]), str(header.get("folder"))
            path = images.incoming(name, folder, [_CPU, *self._names("move")])
            streams = adoption.streams(header.get("streams"))
            images.receive(path, header.get("entries"), stream)
            if folder == "final":
                # nothing may write here while the source could still have to go on from its own images
                adoption.stage(name, streams, stopped=True)
        else:
            deleted = header.get("deleted")
            if not isinstance(deleted, list) or not all(isinstance(path, str) for path in deleted):
                raise GuestError("guest.bad-message", "a frame of neither images nor files")
            chunks = ChunkReader(stream)
            told = self._files.apply(cast(IO[bytes], chunks), [placing.plain(path) for path in deleted])
            chunks.drain()
            self._journal.mark("files", **told.as_json())

    # -- the blackout -------------------------------------------------------------------------------------------------

    def handed_over(self, frames: int, seconds: float, packets: list[str]) -> dict[str, Any]:
        """Everything has been sent: look that it is here, ask for the workload, and bring it up.

        ``packets``: what clients have sent in vain so far, in base64.
        """
        end = time.monotonic() + seconds
        self._link.wait_frames(frames, seconds)
        disks.wait_for(self.move.mounts, end)
        asked = time.monotonic()
        self._link.call("ask", seconds)
        came = {mount.where: disks.appeared(mount) for mount in self.move.mounts}
        self._journal.enter("granted", asked=asked, until=asked + self.move.open_within_seconds, attached=came)
        self._missed = [base64.b64decode(packet) for packet in packets]
        threading.Thread(target=self._arrive, name="arrive", daemon=True).start()
        self.watch_window()
        return {}

    def _arrive(self) -> None:
        with self._authority:
            if self._journal.phase != "granted":
                return
            try:
                self._bring_up()
            except Exception as error:
                self._withdraw(describe(error))
                return
            self._journal.enter("ready")
        self._tell("ready")

    def _bring_up(self) -> None:
        places.set_away(False)
        with ThreadPoolExecutor(2) as pool:
            addressed = pool.submit(self._add_addresses)
            # acknowledged writes must be as durable here as they were there, before anybody is answered
            settled = pool.submit(self._files.settle)
            disks.mount(self.move.mounts, lambda what, mount: self._journal.mark(f"{what} {mount.where}"))
            self._journal.mark("mounted")
            addressed.result()
            adoption.start(self._names("move", "restart"))
            self._journal.mark("restored")
            settled.result()
        self._stopped = adoption.processes(self._names("move"))

    def _add_addresses(self) -> None:
        """The source is silent: what clients send from here on may come here, and is kept for them."""
        for address in self.move.addresses:
            nics.add(address.address, address.prefix, address.mac)
        addresses = self.move.addresses
        self._capture = replay.Capture([each.address for each in addresses], [each.mac for each in addresses])
        for address in addresses:
            nics.announce(address.address, address.mac)
        with suppress(OSError):  # a kernel without tun: clients repeat in their own time
            self._inlet = replay.Inlet()

    def _replay(self) -> None:
        """Clients need not wait until they repeat themselves."""
        capture, inlet, self._inlet = self._capture, self._inlet, None
        if capture and inlet:
            later = {replay.identify(packet): packet for packet in [*self._missed, *capture.stop()]}
            self._journal.mark("replayed", packets=inlet.give(later.values()))

    def probe(self) -> dict[str, Any]:
        """The units' health, seen from behind the fence: {units: {name: {ok, checks}}, ok}.

        Moved units run only from ``open`` on: a listening socket accepts without them. If checks were asked for that
        need more, they run from here, and what they write is no longer as their images on the source expect it.
        """
        with self._authority:
            plans = self.move.with_handover("move", "restart", "start")
            if self._journal.phase == "ready" and any(map(health.needs_running, plans)):
                self._journal.mark("running")
                self._run_on()
        expected = self._journal.last("expected") or {"ports": {}}
        return health.probe(plans, expected["ports"])

    def open(self) -> dict[str, Any]:
        """The point of no return. Raises GuestError(guest.window-passed) once this side has stopped itself."""
        with self._authority:
            if self._journal.phase == "opened":
                return {"opened": True}
            granted = self._journal.last("granted")
            if self._journal.phase != "ready" or granted is None or time.monotonic() > granted["until"]:
                raise GuestError("guest.window-passed", f"the target is {self._journal.phase}")
            # on its disk before anybody is answered: a boot begins it here from now on, and its absence is proof
            places.own()
            if not places.owned():
                raise GuestError("guest.no-mark", "the guard has lost its mark of this move", "roll the job back")
            self._journal.enter("opened")
            self._run_on()
            fence.lift()
            self._journal.mark("lifted")
            self._replay()
        self._announce()
        threading.Thread(target=self._tell_source, args=("opened",), daemon=True).start()
        self._tell("opened")
        return {"opened": True}

    def _run_on(self) -> None:
        # a predecessor of this program may have stopped them
        adoption.run_on(self._stopped or adoption.processes(self._names("move")))

    def _announce(self) -> None:
        for address in self.move.addresses:
            nics.announce(address.address, address.mac)

    # -- the way back -------------------------------------------------------------------------------------------------

    def hand_back(self) -> dict[str, Any]:
        """Stop here, so that the source may resume. Raises GuestError(guest.opened) when it is too late."""
        with self._authority:
            if self._journal.phase == "opened":
                raise GuestError("guest.opened", "the workload serves here already", "move it back instead")
            if self._journal.phase in ("granted", "ready"):
                self._withdraw({"code": "guest.handed-back", "detail": "the worker asked for it"})
        return {"phase": self._journal.phase}

    def watch_window(self) -> None:
        """Stop by itself when nobody opens in time, by this machine's own clock."""
        granted = self._journal.last("granted")
        if granted is not None:
            timer = threading.Timer(max(0.0, granted["until"] - time.monotonic()), self._too_late)
            timer.daemon = True
            timer.start()

    def recover(self) -> None:
        """After this program died: a workload that was being brought up is in an unknown state, and goes back."""
        if self._journal.phase == "granted":
            with self._authority:
                self._withdraw({"code": "guest.program-died", "detail": "the in-guest program died while restoring"})
        elif self._journal.phase == "ready":
            self.watch_window()
        elif self._journal.phase == "opened":
            # it may have died in the middle of opening
            with self._authority:
                fence.lift()
                self._run_on()
            self._announce()
        elif self._journal.phase == "prepared":
            self._journal.enter("idle")

    def _too_late(self) -> None:
        with self._authority:
            if self._journal.phase in ("granted", "ready"):
                self._withdraw({"code": "guest.window-passed", "detail": "nobody opened in time"})

    def _withdraw(self, why: dict[str, str]) -> None:
        """Nothing of the workload runs, is mounted or answers here afterwards; then the source is told."""
        self._journal.mark("withdrawing", **why)
        try:
            if self._capture:
                self._capture.stop()
            self._inlet = None
            places.disown()
            places.set_away(True)
            adoption.kill(self._names("move", "restart"))
            disks.unmount(self.move.mounts, 60)
            for address in self.move.addresses:
                nics.remove(address.address, address.prefix, address.mac)
        except Exception as error:
            # still fenced; only who stops this machine can free the volumes now
            self._journal.enter("failed", **describe(error))
            self._tell("failed", **describe(error))
            return
        self._journal.enter("returned", **why)
        self._tell("returned", **why)
        threading.Thread(target=self._tell_source, args=("returned",), daemon=True).start()

    def _tell_source(self, what: str) -> None:
        # a broken link is the worker's to see: both sides' status says what happened
        with suppress(GuestError):
            entries = self._journal.since("granted")
            # units that are started anew run at once
            ran = any(e["name"] == "running" for e in entries) or bool(self._names("restart"))
            self._link.call(what, 10, **({"timeline": self.timeline()} if what == "opened" else {"ran": ran}))

    def finish(self) -> None:
        if self._journal.phase in ("granted", "ready"):
            raise GuestError("guest.undecided", "the move is neither done nor undone", "open, or hand back, first")
        with suppress(FileNotFoundError):
            os.unlink(places.EXPECTING)
        # where the workload has not come to stay, the guard masks it again
        adoption.forget((plan.name for plan in self.move.units), self.move.places)
        self._files.clear()
        fence.clear_criu()
        if self._journal.phase == "opened":
            fence.lift()
        images.give_back_room()

    # -- what is known ------------------------------------------------------------------------------------------------

    def timeline(self) -> list[dict[str, Any]]:
        """What happened when, in ms since the grant was asked for."""
        entries = [entry for entry in self._journal.since("granted") if entry["name"] != "files"]
        times = [(entry["name"], entry["monotonic"]) for entry in entries]
        if entries:
            # each disk has come before that, or long before
            times = [(f"attached {where}", came) for where, came in entries[0].get("attached", {}).items()] + times
        return [{"name": name, "ms": round((at - entries[0]["asked"]) * 1000)} for name, at in times]

    def _names(self, *handovers: str) -> list[str]:
        return [plan.name for plan in self.move.with_handover(*handovers)]
