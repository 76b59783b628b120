"""The daemon: takes commands of attached workers and the link of the other machine, and outlives both."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, Any, cast

from . import keys, move, places, systems, wire
from .arrival import Arrival
from .departure import Departure
from .errors import GuestError, describe
from .journal import Journal
from .link import Link
from .path_watch import PathWatch


class Daemon:
    """One move's duty on this machine: ``departure`` as its source, or ``arrival`` as its target."""

    def __init__(self) -> None:
        places.make_root()
        self.journal = Journal(places.JOURNAL)
        self.paths = PathWatch()
        self._clients: list[wire.Writer] = []
        self._link = self._new_link()
        self._sessions: list[subprocess.Popen[bytes]] = []
        self._departure: Departure | None = None
        self._arrival: Arrival | None = None
        self._commands: dict[str, Callable[..., dict[str, Any]]] = {
            "keygen": keys.keygen,
            "listen": keys.listen,
            "connect": self.connect,
            "prepare": self.prepare,
            "status": self.status,
            "finish": self.finish,
            "precopy": lambda: self._leaving().precopy(),
            "cut_over": lambda: self._leaving().cut_over(),
            "resume": lambda fenced: self._leaving().resume(),
            "probe": lambda: (self._departure or self._arriving()).probe(),
            "open": lambda: self._arriving().open(),
            "hand_back": lambda: self._arriving().hand_back(),
        }

    # -- commands -----------------------------------------------------------------------------------------------------

    def connect(self, address: str, port: int, host_key: str, bind: str) -> dict[str, Any]:
        """Open the link to the other machine, unless it is open: {"clock_offset"} of its clock to ours, in seconds."""
        if not self._link.alive:
            self._hang_up()
            for kind, take in (("words", self._link.take_words), ("data", self._link.take_data)):
                session = keys.session(address, port, host_key, bind)
                self._sessions.append(session.process)
                session.outgoing.write(wire.encode({"session": kind}))
                session.outgoing.flush()
                take(session.incoming, session.outgoing, session.process.terminate)
                # the other side takes the words first
                self._link.call("linked" if kind == "data" else "clock", 45)
        began = time.time()
        there = float(self._link.call("clock")["realtime"])
        return {"clock_offset": round(there - (began + time.time()) / 2, 6)}

    def prepare(self, role: str, move: dict[str, Any]) -> dict[str, Any]:
        """Take a role in a move. Raises GuestError(guest.undecided) while another one is neither done nor undone."""
        # a source that has granted, and is asked back, has missed the word that the other machine opened
        missed = self._departure is not None and self.journal.phase == "granted" and role == "target"
        if self.journal.phase in ("frozen", "granted", "ready") and not missed:
            raise GuestError("guest.undecided", f"a move is {self.journal.phase}", "resume, open or hand back, first")
        self._take(role, move)
        systems.require((self._departure or self._arriving()).move.systems)
        self.journal.begin()
        places.write_private(places.MOVE, json.dumps({"role": role, "move": move}))
        (self._departure or self._arriving()).prepare()
        return {}

    def status(self) -> dict[str, Any]:
        """Where this machine is in the move, with everything that a worker needs to decide."""
        phase = self.journal.phase
        last = self.journal.last("returned")
        duty = self._departure or self._arrival
        return {
            "role": "source" if self._departure else "target" if self._arrival else None,
            "phase": phase,
            "phases": [
                {name: entry[name] for name in ("name", "monotonic", "realtime")}
                for entry in self.journal.entries
                if entry["phase"]
            ],
            "now": time.time(),
            "boot_id": _boot_id(),
            "linked": self._link.alive,
            "blackout_ms": self._departure.blackout_ms() if self._departure else None,
            "timeline": duty.timeline() if duty else [],
            "bytes": self._departure.bytes if self._departure else 0,
            "returned": {k: last.get(k, "") for k in ("code", "detail")} if last and phase == "returned" else None,
            "resumed": self.journal.last("resumed") if phase == "resumed" else None,
            "failure": self.journal.last("cut-over-failed"),
            "path_events": list(self.paths.events),
        }

    def finish(self) -> dict[str, Any]:
        """Leave nothing of ours behind but this program."""
        if self._departure or self._arrival:
            (self._departure or self._arriving()).finish()
        self._hang_up()
        keys.stop()
        for path in (places.KEY, f"{places.KEY}.pub", places.KNOWN_HOSTS, places.AUTHORIZED_KEYS, places.SSHD_CONFIG,
                     places.MOVE, places.EXPECTING, places.AWAY, places.PLACED):  # fmt: skip
            with suppress(FileNotFoundError):
                os.unlink(path)
        return {}

    # -- duty ---------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Take up the duty that a predecessor of this process had."""
        try:
            with open(places.MOVE, encoding="utf-8") as file:
                kept = json.load(file)
        except FileNotFoundError:
            return
        self._take(kept["role"], kept["move"])
        # meanwhile a worker may ask how it goes, and bring what is missing
        threading.Thread(target=(self._departure or self._arriving()).recover, name="recover", daemon=True).start()

    def _take(self, role: str, raw: dict[str, Any]) -> None:
        parsed = move.parse(raw)
        self._departure = Departure(parsed, self.journal, self._link, self._tell) if role == "source" else None
        self._arrival = Arrival(parsed, self.journal, self._link, self._tell) if role == "target" else None
        if not self._departure and not self._arrival:
            raise GuestError("guest.bad-move", f"role {role!r}")

    def _leaving(self) -> Departure:
        if self._departure is None:
            raise GuestError("guest.wrong-role", "this machine is not the source of a move")
        return self._departure

    def _arriving(self) -> Arrival:
        if self._arrival is None:
            raise GuestError("guest.wrong-role", "this machine is not the target of a move")
        return self._arrival

    # -- the link -----------------------------------------------------------------------------------------------------

    def _new_link(self) -> Link:
        return Link(
            {
                "clock": lambda: {"realtime": time.time()},
                "linked": self._linked,
                "expect": lambda **told: self._arriving().expect(**told),
                "check_cpu": lambda **told: self._arriving().check_cpu(**told),
                "known": lambda: self._arriving().known(),
                "arrived": lambda **told: self._arriving().arrived(**told),
                "handed_over": lambda **told: self._arriving().handed_over(**told),
                "ask": lambda: self._leaving().ask(),
                "opened": lambda **told: self._leaving().opened(**told),
                "returned": lambda **told: self._leaving().returned(**told),
            },
            lambda header, stream: self._arriving().receive(header, stream),
            lambda: self._tell("link_closed"),
        )

    def _linked(self) -> dict[str, Any]:
        self._link.wait_whole(40)
        return {}

    def _hang_up(self) -> None:
        self._link.close()
        for session in self._sessions:
            session.terminate()
            session.wait(10)
        self._sessions.clear()

    def take_session(self, connection: socket.socket) -> None:
        """One session that the other machine opened; sshd has let it in with this job's key."""
        stream = cast(IO[bytes], connection.makefile("rwb", buffering=1 << 20))
        told = wire.read(stream)
        kind = told.get("session") if told else None
        end = partial(connection.shutdown, socket.SHUT_RDWR)
        if kind == "words":
            self._link.take_words(stream, stream, end)
        elif kind == "data":
            self._link.take_data(stream, stream, end)
        else:
            connection.close()

    # -- workers ------------------------------------------------------------------------------------------------------

    def serve(self, connection: socket.socket) -> None:
        """One attached worker, until it goes."""
        with connection, cast(IO[bytes], connection.makefile("rwb")) as stream:
            client = wire.Writer(stream)
            self._clients.append(client)
            try:
                while (message := wire.read(stream)) is not None:
                    threading.Thread(target=self._answer, args=(client, message), daemon=True).start()
            except (OSError, GuestError):
                pass
            finally:
                self._clients.remove(client)

    def _answer(self, client: wire.Writer, message: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"id": message.get("id")}
        try:
            command = self._commands.get(str(message.get("command")))
            if command is None:
                raise GuestError("guest.unknown-command", str(message.get("command"))[:80])
            answer["result"] = command(**message.get("arguments", {}))
        except Exception as error:
            answer["error"] = describe(error)
        with suppress(OSError, ValueError):
            client.send(answer)

    def _tell(self, event: str, **detail: Any) -> None:
        for client in list(self._clients):
            with suppress(OSError, ValueError):
                client.send({"event": event, "at": time.monotonic(), **detail})


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def serve() -> None:
    """Run for ever on the two sockets; root alone may connect."""
    daemon = Daemon()
    listening = [(_listen(places.SOCKET), daemon.serve), (_listen(places.PEER_SOCKET), daemon.take_session)]
    daemon.recover()
    daemon.paths.start()
    threads = [threading.Thread(target=_accept, args=each) for each in listening]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def relay(path: str) -> None:
    """Standard input and output, joined with one of the daemon's sockets: ``attach`` and ``peer``."""
    with socket.socket(socket.AF_UNIX) as connection:
        _connect(connection, path)
        up = threading.Thread(target=_copy, args=(0, connection.fileno()), daemon=True)
        up.start()
        _copy(connection.fileno(), 1)


def _connect(connection: socket.socket, path: str) -> None:
    """The daemon may just be starting."""
    end = time.monotonic() + 15
    while True:
        try:
            return connection.connect(path)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _copy(source: int, target: int) -> None:
    while data := os.read(source, 1 << 20):
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
    with suppress(OSError):
        socket.socket(fileno=os.dup(target)).shutdown(socket.SHUT_WR)


def _listen(path: str) -> socket.socket:
    with suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(8)
    return listener


def _accept(listener: socket.socket, take: Callable[[socket.socket], None]) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=take, args=(connection,), daemon=True).start()
