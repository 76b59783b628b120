"""What is in the cloud: taken before and after, so that nothing left behind goes unseen."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import openstack

#: kind → {id: a name for people}
Inventory = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Change:
    """What came and what went, by kind; ``locked`` names servers left locked."""

    appeared: dict[str, dict[str, str]]
    vanished: dict[str, dict[str, str]]
    locked: list[str]


def take(connection: Any) -> Inventory:
    """Everything a job could leave behind: of all projects if ``connection``, openstacksdk's, is an administrator's."""
    return {kind: dict(items) for kind, items in _kinds(connection)}


def _kinds(c: Any) -> Iterator[tuple[str, Iterator[tuple[str, str]]]]:
    access = c.session.auth.get_access(c.session)
    everywhere = {"all_projects": True} if "admin" in access.role_names else {}
    servers, ports = list(c.compute.servers(**everywhere)), list(c.network.ports())
    yield "servers", ((s.id, s.name) for s in servers)
    yield "locks", ((s.id, s.name) for s in servers if s.is_locked)
    yield "ports", ((p.id, p.name or p.device_owner) for p in ports)
    yield "address pairs", ((p.id, p.name) for p in ports if p.allowed_address_pairs)
    yield "floating IPs", _floating_addresses(c)
    yield "volumes", ((v.id, v.name) for v in c.block_storage.volumes(**everywhere))
    yield "snapshots", ((s.id, s.name) for s in c.block_storage.snapshots(**everywhere))
    yield "attachments", _numbered(f"{a.volume_id} on {a.instance}" for a in c.block_storage.attachments(**everywhere))
    yield "backups", ((b.id, b.name) for b in c.block_storage.backups(**everywhere))
    yield "images", ((i.id, i.name) for i in c.image.images())
    yield "server groups", ((g.id, g.name) for g in c.compute.server_groups(**everywhere))
    yield "aggregates", ((str(a.id), a.name) for a in (c.compute.aggregates() if everywhere else ()))
    yield "key pairs", ((k.name, k.fingerprint) for k in c.compute.keypairs())
    # Neutron makes each project's "default" when it is first looked for, and gives nobody else that name
    yield "security groups", ((g.id, g.name) for g in c.network.security_groups() if g.name != "default")
    yield "trusts", ((t["id"], t["trustor_user_id"]) for t in _trusts(c, "" if everywhere else access.user_id))


def _numbered(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Of an attachment the id is none: a volume that went away and is back has another."""
    times: Counter[str] = Counter()
    for name in names:
        times[name] += 1
        yield f"{name} #{times[name]}", name


def _floating_addresses(c: Any) -> Iterator[tuple[str, str]]:
    # a network without routers answers 404
    if c.network.find_extension("router"):
        yield from ((f.id, f.floating_ip_address) for f in c.network.ips())


def _trusts(c: Any, trustor: str) -> list[dict[str, str]]:
    answer = c.identity.get("/OS-TRUST/trusts", params={"trustor_user_id": trustor} if trustor else {})
    openstack.exceptions.raise_from_response(answer)
    trusts: list[dict[str, str]] = answer.json()["trusts"]
    return trusts


def compare(before: Inventory, after: Inventory) -> Change:
    def missing(there: Inventory, here: Inventory) -> dict[str, dict[str, str]]:
        found = {k: {i: n for i, n in items.items() if i not in here.get(k, {})} for k, items in there.items()}
        return {k: items for k, items in found.items() if items and k != "locks"}

    locked = [n for i, n in after["locks"].items() if i not in before["locks"]]
    return Change(missing(after, before), missing(before, after), locked)


def leftovers(change: Change, expected: set[str]) -> list[str]:
    """What appeared and is not in ``expected``: ids that the job's report says it keeps, and what hangs on them."""
    appeared = [
        f"{kind}: {name or identifier} ({identifier})"
        for kind, items in sorted(change.appeared.items())
        for identifier, name in sorted(items.items())
        # an attachment belongs to its server: "<volume> on <server>"
        if identifier not in expected and not (kind == "attachments" and name.rpartition(" ")[2] in expected)
    ]
    return appeared + [f"lock: {name}" for name in change.locked]


def left_behind(connection: Any, before: Inventory, expected: set[str], patience: float = 120) -> list[str]:
    """``leftovers`` since ``before``, sought again until there are none: an ended job's trust goes a moment later."""
    end = time.monotonic() + patience
    while (found := leftovers(compare(before, take(connection)), expected)) and time.monotonic() < end:
        time.sleep(1)
    return found
