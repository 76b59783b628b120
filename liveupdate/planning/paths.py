"""Over how many paths volumes are connected to their hosts: facts in, findings out. Pure.

What is network storage with a redundancy of its own has no paths to count, and satisfies any demand.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from liveupdate.model import Finding
from liveupdate.planning.checks import check
from liveupdate.planning.groups import HostGroup

#: What makes more of them, wherever they are too few.
REMEDY = (
    "let the back end have several portals or ports, set volume_use_multipath in section [libvirt] of the hosts' "
    "nova.conf and run multipathd there; then detach and attach the volume, or migrate the server"
)


def demanded(group: HostGroup, parameters: Mapping[str, Any]) -> int:
    """Paths that every volume of the surrogate must have: what the host group wants, or the job if that is more."""
    return max(group.rules.minimum_paths, int(parameters.get("minimum_paths") or 1))


def judge(volumes: Iterable[Mapping[str, Any]], minimum: int) -> Iterator[Finding]:
    """``volumes``: with "id", "protocol" and "paths" as server_facts tells them."""
    for volume in volumes:
        paths = volume.get("paths")
        if paths is None:
            continue
        yield check(
            "volume.paths",
            paths >= minimum,
            f"it is connected by {volume['protocol']} over {paths} of the {minimum} paths that are demanded",
            REMEDY,
            subject=volume["id"],
        )
        if minimum == 1:
            yield check(
                "volume.single-path",
                paths > 1,
                f"it is connected by {volume['protocol']} over one path: if that fails, so does the volume",
                REMEDY,
                subject=volume["id"],
                warn=True,
            )


def too_few(paths: Mapping[str, int | None], minimum: int) -> str:
    """``paths``: by volume. In words, "" where there are enough."""
    short = {volume: n for volume, n in paths.items() if n is not None and n < minimum}
    return "; ".join(f"volume {volume} has {n} of {minimum} paths" for volume, n in sorted(short.items()))
