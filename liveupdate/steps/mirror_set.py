"""Copy the boot set, by a name that only workers know which copy all of it.

Those of an older release, which go on with jobs while a new one is rolled out, know ``mirror`` for one volume. They
leave a job alone whose plan has a step that they lack; and a plan without this one is for one volume (preflight).
"""

from liveupdate.steps import mirror
from liveupdate.steps.protocol import Step

STEP = Step("mirror_set", "Copy the boot set", mirror.probe, mirror.apply, mirror.undo, part=mirror.STEP.name)
