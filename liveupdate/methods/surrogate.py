"""A server is updated by moving its workload to a freshly booted twin.

The steps between attach and release_original (pre_copy, cut_over, probe, open, hold), and guard and user_space, are not
built yet: until they are, there is no pivot, and the method can only be previewed.
"""

from liveupdate.methods import Method
from liveupdate.steps import (
    attach,
    clean_up,
    fallback,
    lock,
    mirror,
    place,
    preflight,
    provision,
    release_original,
    reserve_port,
    update,
)

METHOD = Method(
    name="surrogate",
    title="Move the workload to an updated twin of its server",
    steps=(
        preflight.STEP,
        lock.STEP,
        fallback.STEP,
        reserve_port.STEP,
        mirror.STEP,
        place.STEP,
        provision.STEP,
        update.STEP,
        attach.STEP,
        release_original.STEP,
        clean_up.STEP,
    ),
    preview=(preflight.STEP,),
)
