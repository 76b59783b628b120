"""Choose where the surrogate may go. Nothing is reserved: Nova claims the room when the surrogate is created.

Undo: nothing to take back.
"""

from typing import TYPE_CHECKING, Any

from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.planning.placement import Choice, Need, choose
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.servers import Server

_TRAIT = "trait:"
_RESOURCE = "resources:"


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    cloud = context.service_cloud()
    server = cloud.servers.get(context.job.server_id)
    if server is None:
        raise Failed("the server is gone", code="live-update.server.gone", remedy="see who deleted it")
    choice = find_room(cloud, server, avoid_same_host=context.job.parameters.get("same_host") == "avoid")
    if not choice.hosts:
        raise Failed(
            f"no host can take the surrogate: {choice.why_not()}",
            code="live-update.placement.no-room",
            remedy="free or add a host of the flavor's kind",
        )
    return {"host": choice.hosts[0], "other_host": choice.other_host, "hints": dict(choice.hints)}


def undo(context: StepContext) -> None:
    """Moved nothing, made nothing."""


def find_room(cloud: "Cloud", server: "Server", *, avoid_same_host: bool) -> Choice:
    """Look at the cloud as the service user and choose; no hosts in the choice: it does not fit."""
    groups = cloud.servers.groups(server.server_groups)
    hosts_of = {
        policy: frozenset(_hosts_of(cloud, server.id, [m for g in groups if g.policy == policy for m in g.members]))
        for policy in ("affinity", "anti-affinity")
    }
    need = Need(
        server_id=server.id,
        host=server.host,
        zone=server.pinned_zone,
        extra_specs=server.flavor.extra_specs,
        group_id=groups[0].id if groups else "",
        together=hosts_of["affinity"],
        apart=hosts_of["anti-affinity"],
        avoid_same_host=avoid_same_host,
    )
    return choose(need, cloud.hosts.list(), cloud.placement.candidates(_resources(server), _traits(server)))


def _hosts_of(cloud: "Cloud", server_id: str, members: list[str]) -> list[str]:
    found = [cloud.servers.get(m) for m in members if m != server_id]
    return [s.host for s in found if s and s.host]


def _resources(server: "Server") -> dict[str, int]:
    specs = server.flavor.extra_specs
    asked: dict[str, Any] = {
        "VCPU": server.flavor.vcpus,
        "MEMORY_MB": server.flavor.memory,
        # a server that boots from a volume takes no root disk of its host
        "DISK_GB": server.flavor.disk if server.image_id else 0,
    }
    asked |= {k.removeprefix(_RESOURCE): v for k, v in specs.items() if k.startswith(_RESOURCE)}
    return {name: int(amount) for name, amount in asked.items()}


def _traits(server: "Server") -> list[str]:
    signs = {"required": "", "forbidden": "!"}
    specs = server.flavor.extra_specs.items()
    return [signs[v] + k.removeprefix(_TRAIT) for k, v in specs if k.startswith(_TRAIT) and v in signs]


STEP = Step("place", "Choose a host", probe, apply, undo)
