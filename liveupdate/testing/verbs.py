"""What the doubles of the cloud's services have in common."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from liveupdate import lease
from liveupdate.drivers.cloud.errors import REFUSED
from liveupdate.errors import Failed

if TYPE_CHECKING:
    from liveupdate.testing.cloud import World


class Verbs:
    """``admin``: with an administrator's rights."""

    def __init__(self, world: "World", admin: bool = False) -> None:
        self.world = world
        self.admin = admin

    def _do(self, name: str, work: Callable[[], Any]) -> Any:
        lease.require()
        self.world.strike(f"before {name}")
        result = work()
        self.world.strike(f"after {name}")
        return result

    def _refuse(self, refused: bool, why: str) -> None:
        if refused:
            raise Failed(why, code=REFUSED)
