"""What decides where a surrogate goes, set and read without the service: for the proof that it chooses right.

The server is on host "home" of a group of two. ``facts`` makes one policy name the other host, and its opposite home.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import requests

from lab import load, metrics
from lab.settings import PATIENCE


@dataclass(frozen=True)
class Facts:
    """What is put on the other host: that many servers, and what nobody uses of Placement's inventory."""

    servers: int = 0
    taken: Mapping[str, int] | None = None


#: Policy → the facts for it.
FACTS = {
    "striping": Facts(0, {"VCPU": 4, "MEMORY_MB": 4096}),
    "packing": Facts(2, {"VCPU": 4, "MEMORY_MB": 4096}),
    "cpu_allocation": Facts(0, {"MEMORY_MB": 4096}),
    "memory_allocation": Facts(0, {"VCPU": 4}),
    "cpu_utilization": Facts(),
    "memory_utilization": Facts(),
}
#: What would go home by the same facts.
OPPOSITE = {
    "striping": "packing",
    "packing": "striping",
    "cpu_allocation": "memory_allocation",
    "memory_allocation": "cpu_allocation",
    "cpu_utilization": "memory_utilization",
    "memory_utilization": "cpu_utilization",
}
#: Shares in use, of processors and of memory, that make the two policies of utilization cross.
BUSY, CALM = 0.7, 0.2


@contextmanager
def crossed(first: str, second: str) -> Iterator[None]:
    """``first`` has busy processors and much free memory, ``second`` the reverse. The usual figures afterwards."""
    load.choose(first, BUSY, CALM)
    load.choose(second, CALM, BUSY)
    try:
        yield
    finally:
        load.forget(first)
        load.forget(second)


@contextmanager
def facts(admin: Any, policy: str, other: str) -> Iterator[None]:
    """``admin``: openstacksdk's connection of an administrator. Nothing of it stays."""
    wanted, consumer, made = FACTS[policy], f"/allocations/{uuid.uuid4()}", []
    try:
        for _ in range(wanted.servers):
            made.append(_neighbour(admin, other))
        for server in made:
            admin.compute.wait_for_server(server, interval=0.5, wait=PATIENCE)
        if wanted.taken:
            _allocate(admin, consumer, other, wanted.taken)
        yield
    finally:
        if wanted.taken:
            admin.placement.delete(consumer)
        for server in made:
            admin.compute.delete_server(server)
        for server in made:
            admin.compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)


def _neighbour(admin: Any, host: str) -> Any:
    return admin.compute.create_server(
        name="placing-neighbour",
        image_id=admin.image.find_image("tiny", ignore_missing=False).id,
        flavor_id=admin.compute.find_flavor("small", ignore_missing=False).id,
        networks="none",
        host=host,
    )


def _allocate(admin: Any, consumer: str, host: str, amounts: Mapping[str, int]) -> None:
    body = {
        "allocations": {_provider(admin, host): {"resources": dict(amounts)}},
        "project_id": admin.current_project_id,
        "user_id": admin.current_user_id,
        "consumer_generation": None,
    }
    answer = admin.placement.put(consumer, json=body, microversion="1.28")
    if not answer.ok:
        raise AssertionError(f"{host} cannot have {dict(amounts)} taken: {answer.text[:500]}")


# -- the policies' definitions -----------------------------------------------------------------------------------------


def named(admin: Any, policy: str, hosts: tuple[str, str], twin: Mapping[str, int]) -> str:
    """The host that the definition names. ``twin``: what the surrogate takes of Placement's VCPU and MEMORY_MB.

    Raises AssertionError where the two are alike: that would prove nothing.
    """
    first, second = (value(admin, policy, host, twin) for host in hosts)
    if first == second:
        raise AssertionError(f"{policy}: {hosts[0]} and {hosts[1]} are alike ({first})")
    return hosts[0] if first < second else hosts[1]


def value(admin: Any, policy: str, host: str, twin: Mapping[str, int]) -> float:
    """The lowest is the best."""
    if policy in ("striping", "packing"):
        count = [server.compute_host for server in admin.compute.servers(all_projects=True)].count(host)
        return count if policy == "striping" else -count
    if policy in ("cpu_allocation", "memory_allocation"):
        kind = "VCPU" if policy == "cpu_allocation" else "MEMORY_MB"
        return _allocated(admin, host, kind, twin[kind])
    return _busy(host) if policy == "cpu_utilization" else _occupied(host)


def _allocated(admin: Any, host: str, kind: str, more: int) -> float:
    path = f"/resource_providers/{_provider(admin, host)}"
    told = admin.placement.get(f"{path}/inventories").json()["inventories"][kind]
    used = admin.placement.get(f"{path}/usages").json()["usages"][kind]
    capacity = int((told["total"] - told["reserved"]) * told["allocation_ratio"])
    return float((used + more) / capacity)


def _provider(admin: Any, host: str) -> str:
    [found] = admin.placement.get("/resource_providers", params={"name": host}).json()["resource_providers"]
    return str(found["uuid"])


def _busy(host: str) -> float:
    grown = {
        series["metric"]["mode"]: float(series["values"][-1][1]) - float(series["values"][0][1])
        for series in _samples("node_cpu_seconds_total", host)
    }
    return 1 - grown["idle"] / sum(grown.values())


def _occupied(host: str) -> float:
    free, total = (
        fmean(float(sample) for _, sample in _samples(name, host)[0]["values"])
        for name in ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes")
    )
    return 1 - free / total


def _samples(name: str, host: str) -> list[dict[str, Any]]:
    """Every sample of the last fifteen minutes, as Prometheus has it."""
    query = f'{name}{{instance="{host}"}}[15m]'
    answer = requests.get(f"{metrics.url()}/api/v1/query", params={"query": query}, timeout=10)
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found
