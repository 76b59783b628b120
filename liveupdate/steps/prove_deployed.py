"""Prove that each new server has come up as it should: the image's kernel, an identity of its own, its volumes.

What the server says of itself at its first boot is read from its console (liveupdate/guest/witness.py): neither a key
nor a way to its network is needed, and no user data but the owner's. The pivot: servers that are proven stay.
"""

from typing import Any

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json
from liveupdate.planning.witness import Witness, flaws, heard, twins
from liveupdate.steps import deploy
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.server_facts import SERIAL

_INTERVAL = 5.0


def probe(context: StepContext) -> Probe:
    """Once more is at no cost."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    names = dict(zip(context.result("deploy")["servers"], deploy.roles(context).values(), strict=True))
    cloud, image = context.service_cloud(), context.result("check_deploy")["image"]["properties"]
    seen: dict[str, Witness] = {}
    volumes: dict[str, list[str]] = {}
    for server_id, name in names.items():
        witness = heard(cloud.consoles.output(server_id))
        if witness is None:
            raise Retry(_INTERVAL, f"waits for {name} to say who it is", counts=False)
        volumes[name] = [attached.volume_id for attached in cloud.servers.volumes(server_id)]
        serials = [volume_id[:SERIAL] for volume_id in volumes[name]]
        if wrong := flaws(witness, server_id, serials, image):
            raise _not_as_it_should(f"{name}: {'; '.join(wrong)}")
        seen[name] = witness
    if clashes := twins(seen):
        raise _not_as_it_should("; ".join(clashes))
    return {"servers": [_told(i, name, seen[name], volumes[name]) for i, name in names.items()]}


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def _told(server_id: str, name: str, witness: Witness, volume_ids: list[str]) -> dict[str, Any]:
    return {
        "id": server_id,
        "name": name,
        "kernel": witness.kernel,
        "host_key": witness.host_key,
        "machine_id_sha256": witness.machine_id,
        "volumes": volume_ids,
    }


def _not_as_it_should(why: str) -> Failed:
    return Failed(
        f"a new server is not as it should be: {why}",
        code="live-update.deploy.not-proven",
        remedy="see the server's console; capture the image anew if it is at fault",
    )


STEP = Step("prove_deployed", "Prove what has come up", probe, apply, undo, timeout=3600)
