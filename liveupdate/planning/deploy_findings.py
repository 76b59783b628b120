"""Whether servers can be made from a golden image: facts in, findings out. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liveupdate.model import Finding
from liveupdate.planning.checks import check, quota


class Flavor(Protocol):
    """drivers/cloud/servers.py has one. MiB and GiB."""

    @property
    def name(self) -> str: ...

    @property
    def vcpus(self) -> int: ...

    @property
    def memory(self) -> int: ...


@dataclass(frozen=True)
class DeployFacts:
    """``disks``: GiB of each; ``snapshots``: the status of what is behind each, in the same order."""

    image: str
    disks: Sequence[int]
    snapshots: Sequence[str]
    min_disk: int
    min_ram: int
    flavor: Flavor | None
    servers: int
    quota_left: Mapping[str, int]


def judge(facts: DeployFacts) -> list[Finding]:
    return [*_image(facts), *_flavor(facts), _quota(facts)]


def _image(facts: DeployFacts) -> Iterator[Finding]:
    yield check(
        "image.disks",
        bool(facts.disks) and facts.disks[0] >= facts.min_disk,
        f"image {facts.image} does not name a boot disk of at least {facts.min_disk} GiB any more",
        "somebody has changed its properties: capture it anew",
    )
    bad = sorted({status for status in facts.snapshots if status != "available"})
    yield check(
        "image.snapshots",
        not bad,
        f"snapshots behind image {facts.image} are {', '.join(bad)}",
        "see in Cinder what became of them; capture the image anew",
    )


def _flavor(facts: DeployFacts) -> Iterator[Finding]:
    yield check("deploy.flavor", facts.flavor is not None, "there is no such flavor", "openstack flavor list")
    if facts.flavor is not None:
        yield check(
            "deploy.memory",
            facts.flavor.memory >= facts.min_ram,
            f"flavor {facts.flavor.name} has {facts.flavor.memory} MiB of memory, the image wants {facts.min_ram}",
            "choose a larger flavor",
        )


def _quota(facts: DeployFacts) -> Finding:
    each = {"instances": 1, "port": 1, "volumes": len(facts.disks), "gigabytes": sum(facts.disks)}
    if facts.flavor is not None:
        each |= {"cores": facts.flavor.vcpus, "ram": facts.flavor.memory}
    needed = {name: number * facts.servers for name, number in each.items()}
    return quota(needed, facts.quota_left, "ask for fewer servers, or raise the project's quota")
