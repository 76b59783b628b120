"""Where a guest's ssh host key may be learnt from: never from the guest's own answer."""

from liveupdate.drivers.cloud.cloud import Cloud
from liveupdate.drivers.cloud.consoles import host_key_in
from liveupdate.drivers.cloud.servers import Server

#: Server metadata in which an owner, or an earlier update, put "ssh-ed25519 AAAA…".
METADATA = "liveupdate:host_key"


def pinned(cloud: Cloud, server: Server) -> str:
    """ "ssh-ed25519 AAAA…" from the server's metadata, else from its console; "" if neither tells."""
    told = " ".join(server.metadata.get(METADATA, "").split()[:2])
    return told if told.startswith("ssh-ed25519 ") else host_key_in(cloud.consoles.output(server.id))
