"""Lock the original, so that nobody stops, resizes or deletes it in mid-flight.

The service user locks, hence only administrators can unlock; the reason names the job. What its owner has done to it
since the checks, which may have been hours ago, ends the job. Undo: unlock, if the lock is ours.
"""

from liveupdate.drivers.cloud.marks import lock_reason
from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake

_RESULT = {"locked": True}


def probe(context: StepContext) -> Probe:
    locked = there(context, "lock", "original")
    return Probe(True, _RESULT) if locked and not _changed(context) else NOT_DONE


def apply(context: StepContext) -> Json:
    server_id = context.job.server_id
    servers = context.service_cloud().servers

    def create(line: Resource) -> str:
        server = servers.get(server_id)
        # as the checks saw it: what is restored may be stopped
        if server is None or server.status != context.result("preflight")["server"]["status"]:
            state = server.status if server else "gone"
            raise Failed(
                f"the server is {state} by now",
                user_fault=True,
                code="live-update.server.not-active",
                remedy="start it first",
            )
        if server.locked:
            raise Failed(
                f"the server is locked: {server.locked_reason or 'no reason given'}",
                user_fault=True,
                code="live-update.server.locked",
                remedy="unlock it first",
            )
        servers.lock(server_id, lock_reason(line.job_id))
        return server_id

    make(context, "lock", "original", create, {"server_id": server_id})
    if changed := _changed(context):
        raise Failed(
            f"since it was checked, the server has other {', '.join(changed)}",
            user_fault=True,
            code="live-update.server.changed",
            remedy="create the job again",
        )
    return _RESULT


def _changed(context: StepContext) -> list[str]:
    """What is not as the checks saw it, though all that follows goes by that."""
    cloud, known = context.service_cloud(), context.result("preflight")["server"]
    server = cloud.servers.get(context.job.server_id)
    if server is None:
        raise Failed("the server is gone by now", user_fault=True, code="live-update.server.gone")
    volumes, had = {v.volume_id for v in cloud.servers.volumes(server.id)}, {v["id"] for v in known["volumes"]}
    flavor, told = server.flavor, ("flavor_name", "vcpus", "memory")
    same = {
        # a stop that came between the last look and the lock
        "status": server.status == known["status"],
        "flavor": [known[key] for key in told] == [flavor.name, flavor.vcpus, flavor.memory],
        "image": known.get("image_id", "") in ("", server.image_id),
        # Nova may list one that is no more
        "volumes": had <= volumes and not any(cloud.volumes.get(new) for new in volumes - had),
        "ports": {p.id for p in cloud.ports.of_server(server.id)} == {p["id"] for p in known["ports"]},
    }
    return [what for what, is_so in same.items() if not is_so]


def undo(context: StepContext) -> None:
    unmake(context, "lock", "original")


STEP = Step("lock", "Lock the original", probe, apply, undo)
