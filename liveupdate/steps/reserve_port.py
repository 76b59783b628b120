"""Reserve the surrogate's own port, and a temporary management address for the original.

Three things must be in place well before the cut-over, since Neutron puts them in force seconds after the call:
- the surrogate's port, which may use the original's service address besides its own;
- a second address for the original, reserved by a port on no server, which the original's port may use: the way to
  reach it once its own address has moved. (The guest gets it from the guest-side steps.)
Undo: take the address pairs back, delete both ports.
"""

from typing import Any

from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.steps.kinds import mark
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import original_port
from liveupdate.steps.resources import make, there, unmake

_PORTS = ("surrogate", "management")


def probe(context: StepContext) -> Probe:
    ports = [there(context, "port", role) for role in _PORTS]
    pairs = [there(context, "address_pair", role) for role in _PORTS] if original_port(context)["port_security"] else []
    if None in ports or None in pairs:
        return NOT_DONE
    return Probe(True, _result(context, *(p for p in ports if p)))


def apply(context: StepContext) -> Json:
    original = original_port(context)
    surrogate, management = (beside(context, role) for role in _PORTS)
    result = _result(context, surrogate, management)
    if original["port_security"]:
        _allow(context, "surrogate", surrogate, original["address"])
        _allow(context, "management", original["id"], result["original_management"]["address"])
    return result


def undo(context: StepContext) -> None:
    for role in _PORTS:
        unmake(context, "address_pair", role)
    for role in reversed(_PORTS):
        unmake(context, "port", role)


def beside(context: StepContext, role: str) -> str:
    """The id of this job's port for ``role``, beside the original's."""
    ports = context.user_cloud().ports
    like = ports.get(original_port(context)["id"])
    if like is None:
        raise Failed("the original's port is gone", code="live-update.port.gone", remedy="see who removed it")
    return make(context, "port", role, lambda line: ports.create(line.name, mark(line), like).id)


def _allow(context: StepContext, role: str, port_id: str, address: str) -> None:
    # the owner may not do this on a shared network, and nobody but an administrator on a locked server's behalf
    ports = context.service_cloud().ports

    def create(line: Resource) -> str:
        ports.allow(port_id, address)
        return port_id

    make(context, "address_pair", role, create, {"port_id": port_id, "address": address})


def _result(context: StepContext, surrogate: str, management: str) -> dict[str, Any]:
    ports = context.user_cloud().ports
    own, reserved = described(context, surrogate), ports.get(management)
    if reserved is None:
        raise _gone()
    return {
        "surrogate": own,
        "original_management": {
            "port_id": reserved.id,
            "address": reserved.addresses[0][1],
            "prefix": own["prefix"],
        },
    }


def described(context: StepContext, port_id: str) -> dict[str, Any]:
    """{port_id, mac, address, prefix, gateway, mtu}: what a guest that is to answer there must know."""
    ports = context.user_cloud().ports
    own = ports.get(port_id)
    if own is None:
        raise _gone()
    link = ports.link(own)
    return {
        "port_id": own.id,
        "mac": own.mac,
        "address": own.addresses[0][1],
        "prefix": link.prefix,
        "gateway": link.gateway,
        "mtu": link.mtu,
    }


def _gone() -> Failed:
    return Failed("a reserved port is gone", code="live-update.port.gone", remedy="see who removed it")


STEP = Step("reserve_port", "Reserve ports and addresses", probe, apply, undo)
