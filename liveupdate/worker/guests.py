"""The guests of the jobs in hand: where each answers at this point of its job, by which host key, kept connected."""

from threading import Lock

from liveupdate.drivers.cloud import host_keys
from liveupdate.drivers.guest import Guest
from liveupdate.errors import Failed
from liveupdate.settings import Guest as GuestSettings
from liveupdate.steps.protocol import StepContext


class Guests:
    def __init__(self, settings: GuestSettings) -> None:
        self._settings = settings
        #: job id → its guests, by side.
        self._kept: dict[str, dict[str, Guest]] = {}
        self._lock = Lock()

    def of(self, context: StepContext, side: str) -> Guest:
        """The driver of ``side``, "original" or "surrogate". Raises Failed if the server has no address."""
        candidates = addresses(context, side)
        guest = self._guest(context, side, candidates[0])
        # the address may change under way: the first that answers counts, the last must
        for address in candidates:
            if guest.address != address:
                guest.close()
                guest.address = address
            if address == candidates[-1] or guest.reachable():
                break
        return guest

    def forget(self, job_id: str) -> None:
        """Close what is kept for a job that this worker has given back."""
        with self._lock:
            kept = self._kept.pop(job_id, {})
        for guest in kept.values():
            guest.close()

    def _guest(self, context: StepContext, side: str, address: str) -> Guest:
        with self._lock:
            kept = self._kept.setdefault(context.job.id, {})
            if side in kept:
                return kept[side]
        made = Guest(address, _host_key(context), self._settings)
        with self._lock:
            return kept.setdefault(side, made)


def addresses(context: StepContext, side: str) -> tuple[str, ...]:
    """Where ``side`` may answer now, best first.

    The two servers have the same host key, so only an address that cannot be the other's is a candidate: the service
    address is the original's until the cut-over, and the surrogate's from the release on.
    """
    reserved = context.result("reserve_port")
    if side == "original":
        management = reserved.get("original_management", {}).get("address")
        place = _place(context, "pre_copy")
        if management is None or place < 0:
            return (_service_address(context),)
        # within pre_copy the temporary address comes up, and goes again when it is undone
        return (management, _service_address(context)) if place == 0 else (management,)
    own = reserved["surrogate"]["address"]
    place = _place(context, "release_original")
    if place < 0:
        return (own,)
    # within release_original the surrogate takes the original's port, and gives up its own
    return (own, _service_address(context)) if place == 0 else (_service_address(context),)


def _place(context: StepContext, landmark: str) -> int:
    """Where the current step stands to the step ``landmark`` of the forward way: -1 before, 0 at, 1 after it.

    The way back lies after pre_copy, and before release_original.
    """
    order = [spec.id for spec in context.job.plan.steps]
    if landmark not in order:
        return -1
    if context.spec.id not in order:
        return 1 if landmark == "pre_copy" else -1
    at, mark = order.index(context.spec.id), order.index(landmark)
    return (at > mark) - (at < mark)


def _service_address(context: StepContext) -> str:
    known = context.result("preflight").get("server")
    if known:
        return str(known["ports"][0]["address"])
    for port in context.service_cloud().ports.of_server(context.job.server_id):
        if port.addresses:
            return port.addresses[0][1]
    raise Failed("the server has no address", code="live-update.guest.no-address", user_fault=True)


def _host_key(context: StepContext) -> str:
    """As the preflight found it; the surrogate has the original's."""
    if known := context.result("preflight").get("host_key"):
        return str(known)
    cloud = context.service_cloud()
    server = cloud.servers.get(context.job.server_id)
    if server is None:
        raise Failed("the server is gone", code="live-update.server.gone", user_fault=True)
    return host_keys.pinned(cloud, server)
