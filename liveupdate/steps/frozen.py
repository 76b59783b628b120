"""Snapshots of a running server's volumes, all of one moment: file systems frozen until the last one is complete."""

from collections.abc import Collection, Mapping
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import LeaseLost
from liveupdate.model import Json, Resource
from liveupdate.planning import inside
from liveupdate.steps.copies import available
from liveupdate.steps.protocol import StepContext
from liveupdate.steps.resources import disown, there, unmake, wait

#: Seconds after which the guest thaws by itself, should the worker be gone.
_WATCHDOG = 20.0
#: File systems that can be frozen; the rest (vfat on an EFI partition) is written once in a blue moon.
_FREEZABLE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs"})


def details(volume: Mapping[str, Any]) -> dict[str, Any]:
    """Of a snapshot of the volume, for ``snapshots``."""
    return {"volume_id": volume["id"], "size": volume["size"], "type": volume["type"]}


def snapshots(context: StepContext, volumes: Mapping[str, Json]) -> dict[str, Resource]:
    """role → the ledger's line of its snapshot, taken now unless all are there. ``volumes``: role → the line's details,
    the "volume_id" among them.

    Then they tell "since", too, the guest's clock at the freeze, and "frozen_ms".
    """
    lines = {role: context.ledger.find("snapshot", role) for role in volumes}
    whole = {role: line for role, line in lines.items() if line and there(context, "snapshot", role)}
    if whole.keys() == lines.keys():
        return whole
    for role in volumes:
        unmake(context, "snapshot", role)
    intended = {role: context.ledger.intend("snapshot", role, told) for role, told in volumes.items()}
    made, cloud = {}, context.user_cloud().snapshots
    still = mounts(context, {told["volume_id"] for told in volumes.values()})
    try:
        with context.guest("original").freeze(still, _WATCHDOG) as frozen:
            for role, line in intended.items():
                mark = marks.metadata(line.job_id, line.role)
                made[role] = cloud.create(line.name, volumes[role]["volume_id"], mark).id
            for taken in made.values():
                wait(context, lambda taken=taken: available(context, taken), f"snapshot {taken}", patience=_WATCHDOG)  # type: ignore[misc]
        moment = {"since": frozen.since, "frozen_ms": frozen.milliseconds}
        return {role: context.ledger.created(line, made[role], moment) for role, line in intended.items()}
    except LeaseLost:
        for role, taken in made.items():
            disown(context, intended[role], taken)
        raise


def mounts(context: StepContext, volume_ids: Collection[str]) -> list[str]:
    """Where file systems are mounted that do not lie on another volume of the server than these."""
    found = context.result("preflight")
    others = [v["serial"] for v in found["server"]["volumes"] if v["id"] not in volume_ids]
    attached_inside = {m["where"] for m in inside.mounts(found)}
    some = {
        # a file system that is seen at several places, by bind mounts, can be frozen at one of them
        m.get("device", m["where"]): m["where"]
        for m in sorted(found["guest"]["mounts"], key=lambda m: len(m["where"]), reverse=True)
        if m["fstype"] in _FREEZABLE
        and m["where"] not in attached_inside
        and not any(serial in (m.get("by_id") or "") for serial in others)
    }
    # the root last: whoever freezes the others must still be able to run
    return sorted(some.values(), key=lambda where: (where == "/", where))
