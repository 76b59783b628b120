"""A running server becomes a golden image, from a copy; the server itself notices nothing but the freeze."""

from collections.abc import Sequence

from liveupdate.methods import Method
from liveupdate.model import Json
from liveupdate.steps import (
    boot_copy,
    check_capture,
    copy_volumes,
    guard,
    lock,
    make_image,
    publish_image,
    release_source,
    reserve_copy_port,
    seal,
    settle_capture,
    take_down_copy,
)

METHOD = Method(
    name="capture",
    title="Capture a server as a golden image",
    steps=(
        check_capture.STEP,
        lock.STEP,
        reserve_copy_port.STEP,
        guard.STEP,
        copy_volumes.STEP,
        release_source.STEP,
        boot_copy.STEP,
        seal.STEP,
        take_down_copy.STEP,
        make_image.STEP,
        publish_image.STEP,
        settle_capture.STEP,
    ),
    preview=(check_capture.STEP,),
    pivot=publish_image.STEP,
)


def parameters(name: str, volumes: Sequence[str]) -> Json:
    """``name``: the image's; ``volumes``: ids of the data volumes that are captured besides the boot volume."""
    return {"name": name, "volumes": list(volumes)}
