"""What a job in the engine has around it when its cloud is in memory."""

from collections.abc import Callable
from typing import Any

from liveupdate.drivers.metrics import Nothing
from liveupdate.engine.context import Surroundings
from liveupdate.settings import load
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.cloud import CloudDouble, World
from liveupdate.testing.jobs import unreachable


def in_memory(world: World, guest: Callable[[StepContext, str], Any] = unreachable) -> Surroundings:
    """``guest``: the double of this side."""

    def user_cloud(_: object) -> Any:
        return CloudDouble(world, admin=False)

    def service_cloud(_: object) -> Any:
        return CloudDouble(world, admin=True)

    return Surroundings(load(config_files=[]), user_cloud, service_cloud, guest, Nothing())
