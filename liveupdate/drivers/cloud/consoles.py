"""What a server printed on its console."""

import re
from typing import Any

from liveupdate.drivers.cloud.errors import calling

_BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
_ED25519 = re.compile(r"\bssh-ed25519 [A-Za-z0-9+/]{68}(?![A-Za-z0-9+/=])")


class Consoles:
    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def output(self, server_id: str) -> str:
        with calling(f"read the console of server {server_id}"):
            answer = self._compute.get_server_console_output(server_id)
        return str(answer.get("output") or "")


def host_key_in(console: str) -> str:
    """The ed25519 host key of the last block that cloud-init printed; "" if there is none.

    A user of the guest could print such a block as well: only root can write to the console in a default system,
    and root of the guest is whom the key speaks for.
    """
    blocks = _BLOCK.findall(console)
    found = _ED25519.search(blocks[-1]) if blocks else None
    return found.group(0) if found else ""
