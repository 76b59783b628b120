"""Snapshots and backups of volumes, while Cinder makes them."""

from typing import TYPE_CHECKING

from liveupdate.errors import Failed
from liveupdate.steps.protocol import StepContext

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.backups import Backups
    from liveupdate.drivers.cloud.snapshots import Snapshots


def copies(context: StepContext, what: str) -> "Snapshots | Backups":
    """``what``: snapshot or backup."""
    cloud = context.user_cloud()
    return cloud.backups if what == "backup" else cloud.snapshots


def available(context: StepContext, copy_id: str, what: str = "snapshot") -> bool | None:
    """True once the snapshot or backup is; None while it is being made. Raises Failed if Cinder gave up."""
    copy = copies(context, what).get(copy_id)
    if copy is None or copy.status.startswith("error"):
        raise Failed(
            f"{what} {copy_id} is {copy.status if copy else 'gone'}",
            code=f"live-update.{what}.failed",
            remedy=f"see the log of {'cinder-backup' if what == 'backup' else 'cinder-volume'}",
        )
    return True if copy.status == "available" else None
