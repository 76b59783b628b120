"""A job's steps in the lab's real cloud, driven as the engine would, without a journal."""

import time

from lab.settings import PATIENCE
from liveupdate.errors import Retry
from liveupdate.model import Json
from liveupdate.steps.protocol import Step
from liveupdate.testing.context import MemoryContext


def drive(context: MemoryContext, *steps: Step, undo: bool = False) -> Json:
    """What the last one results in; a step that is parked is called again."""
    result: Json = {}
    for step in steps:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if undo:
                    step.undo(context)
                else:
                    result = context.run(step)
                break
            except Retry as retry:
                if time.monotonic() > end:
                    raise
                time.sleep(min(retry.after, 1.0))
    return result
