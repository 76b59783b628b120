"""The steps around the cut-over, driven as the engine does, on two guests in memory."""

from dataclasses import replace
from typing import Any

import pytest

from liveupdate.errors import Retry
from liveupdate.model import StepSpec
from liveupdate.steps import cut_over, open, pre_copy, probe
from liveupdate.steps.protocol import Step
from liveupdate.testing.cloud import with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.pair import Pair, PairedGuest
from tests.steps.conftest import context_of, run_before

FORWARD = (pre_copy.STEP, cut_over.STEP, probe.STEP, open.STEP)
UNITS = [{"name": "kv.service", "handover": "move", "health": [], "ports": [6379]}]
#: The data volume of the world, which only one server may have if its type says so.
DATA = {"where": "/data", "fstype": "ext4", "options": "rw", "by_id": "/dev/disk/by-id/virtio-data-volume"}
ALL = pytest.mark.parametrize("multiattach", [True, False], ids=["multiattach", "one server"])


def made(*, multiattach: bool = True, **parameters: Any) -> tuple[MemoryContext, Pair]:
    """Everything before the pre-copy is done."""
    world = with_server()
    for volume in world.volumes.values():
        if volume.id == "data-volume" and not multiattach:
            world.volumes[volume.id] = replace(volume, multiattach=False)
    context = context_of(world)
    context.job = job(parameters=parameters)
    run_before(context, None)
    context.results["preflight"]["guest"]["mounts"].append(DATA)
    context.results["preflight"] = {**context.results["preflight"], "units": UNITS}
    servers = {"original": "original", "surrogate": context.results["provision"]["server_id"]}
    pair = Pair(world, servers)
    context.guests = {side: PairedGuest(pair, side) for side in servers}
    return context, pair


def drive(context: MemoryContext, *steps: Step, back: bool = False) -> None:
    """Apply as the engine does, keeping results by the spec's id."""
    for step in steps:
        name = f"back.{step.name}" if back else step.name
        context.spec = StepSpec(name, step.name, {"direction": "back"} if back else {})
        context.results[name] = step.apply(context)


def undo(context: MemoryContext, *steps: Step, back: bool = False) -> None:
    """Undo as the engine does, latest first, parking included."""
    for step in reversed(steps):
        name = f"back.{step.name}" if back else step.name
        context.spec = StepSpec(name, step.name, {"direction": "back"} if back else {})
        for _ in range(10):
            try:
                step.undo(context)
            except Retry:
                continue
            break
        else:
            raise AssertionError(f"undo of {step.name} never ends")
