"""Captures for tests: a copy of a server that is sealed, and new servers that say who they are, in memory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from liveupdate.errors import GuestError
from liveupdate.guest.witness import BEGIN, END
from liveupdate.testing.cloud import World
from liveupdate.testing.guest import GuestDouble

KERNEL = "6.1.0-56-cloud-amd64"
HOST_KEY = "ssh-ed25519 " + "A" * 68
FILESYSTEM = "0e1c4b52-6a11-4e0a-9c44-d93d5a3f6a55"


def machine_id(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()


def provenance(**changes: Any) -> dict[str, Any]:
    """What a copy tells; its data disk has any name."""
    told = {"kernel": KERNEL, "packages": "ab" * 32, "machine_id": machine_id("source"), "host_key": HOST_KEY}
    return {**told, "filesystems": {}, **changes}


@dataclass
class CopyGuest(GuestDouble):
    """The guest of the server that the job tagged as its copy. ``trouble``: "" | "fails" | "dies" in the sealing."""

    world: World = field(default_factory=World)
    trouble: str = ""
    #: How often its task was.
    started: int = 0

    def _server(self) -> str:
        return next((s.id for s in self.world.servers.values() if any(t.endswith(":copy") for t in s.tags)), "")

    def reachable(self) -> bool:
        server = self.world.servers.get(self._server())
        return (
            server is not None and server.status == "ACTIVE" and "sealed" not in self.world.consoles.get(server.id, "")
        )

    def run(self, argv: Sequence[str], **_: Any) -> SimpleNamespace:
        if not self.reachable():
            raise GuestError("no answer", code="live-update.guest.unreachable")
        answer = ""
        if argv[:2] == ["systemctl", "show"]:
            answer = "ActiveState=failed\n" if self.started and self.trouble == "fails" else "ActiveState=inactive\n"
        elif argv[0] == "systemd-run":
            self.world.strike("before seal")
            self.started += 1
            self._seal()
            self.world.strike("after seal")
        elif argv[0] == "journalctl":
            answer = "a disk is read-only"
        return SimpleNamespace(code=0, stdout=answer, stderr="")

    def _seal(self) -> None:
        word = next(told["word"] for command, told in reversed(self.calls) if command == "seal_prepare")
        if self.trouble == "dies":
            off = replace(self.world.servers[self._server()], status="SHUTOFF")
            self.world.servers[self._server()] = off
        elif not self.trouble:
            self.world.consoles[self._server()] = f"booting\nliveupdate: sealed {word}\nreboot: System halted\n"


def witness(server_id: str, volumes: Sequence[str], **changes: str) -> str:
    """What a new server prints: of itself, unless ``changes`` say otherwise."""
    key = hashlib.sha256(server_id.encode()).hexdigest()
    told = {
        "kernel": KERNEL,
        "machine": machine_id(server_id),
        "uuid": server_id.upper(),
        "key": f"ssh-ed25519 {key}AAAA",
    }
    lines = [f"{word} {value}" for word, value in {**told, **changes}.items()]
    lines += [f"disk virtio-{volume[:20]}" for volume in volumes] + [f"filesystem {FILESYSTEM}"]
    return "\r\n".join(["[    1.0] a kernel", BEGIN, *lines, END, ""])
