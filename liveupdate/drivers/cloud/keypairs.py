"""Key pairs belong to users, not to projects: a server's may be out of the requester's sight."""

from typing import Any

from liveupdate.drivers.cloud.errors import calling


class Keypairs:
    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def exists(self, name: str) -> bool:
        with calling(f"look for key pair {name}"):
            return self._compute.find_keypair(name, ignore_missing=True) is not None
