"""How many of a server's processors are dedicated and how many shared, as Nova counts them for Placement. Pure."""

import re
from collections.abc import Mapping

from liveupdate.errors import Invalid

_POLICY = "hw:cpu_policy"
_DEDICATED = "hw:cpu_dedicated_mask"
_REALTIME = "hw:cpu_realtime_mask"
_PART = re.compile(r"^(?P<but>\^?)(?P<first>[0-9]{1,6})(-(?P<last>[0-9]{1,6}))?$", re.ASCII)
_TRUE = ("1", "t", "true", "on", "y", "yes")


def processors(vcpus: int, specs: Mapping[str, str], image: Mapping[str, str]) -> dict[str, int]:
    """Placement's classes PCPU and VCPU → amount. Raises Invalid for a mask that is none."""
    policy = _of_either(specs, image, _POLICY)
    if policy not in ("dedicated", "mixed"):
        return {"VCPU": vcpus}
    pinned = vcpus if policy == "dedicated" else _pinned(vcpus, specs, image)
    emulator = specs.get("hw:emulator_threads_policy") == "isolate"
    return {"PCPU": pinned + emulator, "VCPU": vcpus - pinned}


def _of_either(specs: Mapping[str, str], image: Mapping[str, str], key: str) -> str:
    return specs.get(key) or image.get(key.replace(":", "_"), "")


def _pinned(vcpus: int, specs: Mapping[str, str], image: Mapping[str, str]) -> int:
    """Of a mixed server: those of the mask, or else those that are to run in real time."""
    if mask := specs.get(_DEDICATED):
        return len(_masked(vcpus, _DEDICATED, mask))
    if specs.get("hw:cpu_realtime", "").strip().lower() not in _TRUE:
        return 0
    # the image's comes first here: it knows its own threads
    mask = image.get(_REALTIME.replace(":", "_")) or specs.get(_REALTIME)
    return len(_masked(vcpus, _REALTIME, mask)) if mask else vcpus


def _masked(vcpus: int, key: str, mask: str) -> set[int]:
    """The processors that "0-3,^2" names; one that begins with ^ names all others."""
    chosen: set[int] = set(range(vcpus)) if mask.strip().startswith("^") else set()
    taken: set[int] = set()
    for part in filter(None, map(str.strip, mask.split(","))):
        found = _PART.match(part.replace(" ", ""))
        if not found:
            raise Invalid(f"{key} is {mask!r}, not a set of processors", code="live-update.flavor.malformed")
        first, last = int(found["first"]), int(found["last"] or found["first"])
        (taken if found["but"] else chosen).update(range(first, min(last + 1, vcpus)))
    return chosen - taken
