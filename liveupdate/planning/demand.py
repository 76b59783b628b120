"""What a server of a flavor asks of Placement: the flavor's extra specs, read as Nova's scheduler reads them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from liveupdate.errors import Invalid
from liveupdate.planning.fleet import PROCESSOR
from liveupdate.planning.pinning import processors

_RESOURCES = re.compile(r"^resources(?P<group>[A-Za-z0-9_-]{0,64}):(?P<name>[A-Z0-9_]{1,255})$")
_TRAIT = re.compile(r"^trait(?P<group>[A-Za-z0-9_-]{0,64}):(?P<name>[A-Z0-9_]{1,255})$")
_SIGNS = {"required": "", "forbidden": "!"}
#: What Placement does not know of a host, and only Nova's own filters judge.
_NOVAS = ("hw:mem_page_size", "hw:numa_", "hw:cpu_thread_policy", "hw:cpu_realtime", "pci_passthrough:", "accel:")


@dataclass(frozen=True)
class Demand:
    """``resources`` and the traits are asked of the host itself; ``devices`` are parameters for what lies below it.

    ``left_to_nova``: extra specs that only Nova's filters can judge, such as huge pages and PCI devices.
    """

    resources: Mapping[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    devices: Mapping[str, str] = field(default_factory=dict)
    left_to_nova: tuple[str, ...] = ()

    def query(self) -> dict[str, str]:
        """For GET /allocation_candidates."""
        traits = [*sorted(self.required), *(f"!{trait}" for trait in sorted(self.forbidden))]
        return {
            "resources": ",".join(f"{name}:{amount}" for name, amount in sorted(self.resources.items())),
            "required": ",".join((*traits, "!COMPUTE_STATUS_DISABLED")),
            **self.devices,
        }


def read(vcpus: int, memory: int, disk: int, specs: Mapping[str, str], image: Mapping[str, str]) -> Demand:
    """``memory`` in MiB, ``disk`` in GiB; ``image`` are the boot image's properties. Raises Invalid for an amount that
    is none."""
    amounts: dict[str, dict[str, int]] = {"": {}}
    for key, value in specs.items():
        if found := _RESOURCES.match(key):
            amounts.setdefault(found["group"], {})[found["name"]] = _amount(key, value)
    named = {name for group in amounts.values() for name in group}
    usual = {"MEMORY_MB": memory, "DISK_GB": disk}
    if not named.intersection(PROCESSOR):
        usual |= processors(vcpus, specs, image)
    amounts[""] |= {name: amount for name, amount in usual.items() if name not in named}
    traits: dict[str, list[str]] = {}
    for key, value in (*image.items(), *specs.items()):
        if (found := _TRAIT.match(key)) and value in _SIGNS:
            traits.setdefault(found["group"], []).append(_SIGNS[value] + found["name"])
    own = traits.get("", [])
    return Demand(
        resources={name: amount for name, amount in amounts[""].items() if amount},
        required=frozenset(t for t in own if not t.startswith("!")),
        forbidden=frozenset(t.removeprefix("!") for t in own if t.startswith("!")),
        devices=_devices(amounts, traits, specs.get("group_policy", "")),
        left_to_nova=tuple(sorted(key for key in specs if key.startswith(_NOVAS))),
    )


def _devices(
    amounts: Mapping[str, Mapping[str, int]], traits: Mapping[str, list[str]], group_policy: str
) -> dict[str, str]:
    asked: dict[str, str] = {}
    groups = [group for group in amounts if group and any(amounts[group].values())]
    for group in groups:
        some = sorted((name, amount) for name, amount in amounts[group].items() if amount)
        asked[f"resources{group}"] = ",".join(f"{name}:{amount}" for name, amount in some)
        if group in traits:
            asked[f"required{group}"] = ",".join(traits[group])
    if len(groups) > 1 or group_policy:
        # Placement wants to be told as soon as there are two
        asked["group_policy"] = group_policy or "none"
    return asked


def _amount(key: str, value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise Invalid(f"the flavor's {key} is {value!r}, not a number", code="live-update.flavor.malformed")
    return int(value[:18])
