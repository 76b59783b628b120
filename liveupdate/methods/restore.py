"""A server comes back at its old level: booted from its fallback, on its own port, with its data volumes.

Nova exchanges no boot volumes, hence a new server takes the old one's place (docs/decisions/0008).
"""

from liveupdate.methods import Method
from liveupdate.model import Fallback, Json
from liveupdate.planning import parts
from liveupdate.steps import (
    boot_restored,
    check_restore,
    fallback,
    lock,
    place,
    recall,
    retire,
    settle,
    take_down,
    unplug,
)

METHOD = Method(
    name="restore",
    title="Bring a server back from its fallback",
    steps=(
        check_restore.STEP,
        lock.STEP,
        recall.STEP,
        place.STEP,
        take_down.STEP,
        fallback.STEP,
        unplug.STEP,
        boot_restored.STEP,
        retire.STEP,
        settle.STEP,
    ),
    preview=(check_restore.STEP,),
    pivot=retire.STEP,
    together=(take_down.STEP, fallback.STEP, unplug.STEP, boot_restored.STEP, retire.STEP),
)


def parameters(source: Fallback, data_volumes: bool, keep_days: int | None) -> Json:
    """``keep_days``: how long what was before the restore is kept; None: as the service does by itself."""
    return {
        "fallback_id": source.id,
        "parts": parts.of(source),
        "port_id": source.port_id,
        "made_at": source.made_at.isoformat(timespec="seconds"),
        "data_volumes": data_volumes,
        # what is replaced is kept in its turn
        "fallback_data_volumes": data_volumes,
        "keep_fallback_days": keep_days,
    }
