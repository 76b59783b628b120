"""The cloud-side steps on doubles: a world with one server, a job for it, and the steps before the one under test."""

from collections.abc import Callable, Iterable
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.errors import Retry
from liveupdate.planning import boot_set
from liveupdate.steps import attach, fallback, lock, mirror, place, provision, reserve_port, resources
from liveupdate.steps.protocol import Step
from liveupdate.steps.server_facts import describe
from liveupdate.testing.boot_sets import disks_of
from liveupdate.testing.cloud import CloudDouble, World, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.guest import GuestDouble

#: The cloud-side steps before the cut-over, in the order of the method.
ORDER: tuple[Step, ...] = tuple(m.STEP for m in (lock, fallback, reserve_port, mirror, place, provision, attach))

Prepare = Callable[[Step | None], MemoryContext]


def context_of(world: World) -> MemoryContext:
    service = CloudDouble(world, admin=True)
    serials = tuple(v[:20] for v in world.volumes)
    well = {"probe": {"units": {"kv.service": {"ok": True}}}}
    guests = {side: GuestDouble(answers=well, serials=serials) for side in ("original", "surrogate")}
    context = MemoryContext(job(), CloudDouble(world, admin=False), service, guests)
    server, guest = describe(service, world.servers["original"]), disks_of(world.attached["original"])  # type: ignore[arg-type]
    server["volumes"] = boot_set.decide(server["volumes"], guest)
    context.results["preflight"] = {"server": server, "guest": guest, "host_key": "ssh-ed25519 AAAA"}
    return context


def run_before(context: MemoryContext, step: Step | None) -> None:
    """Every step before ``step``; None: all."""
    for earlier in ORDER:
        if earlier is step:
            return
        context.run(earlier)


@pytest.fixture
def world() -> World:
    return with_server()


@pytest.fixture
def context(world: World) -> MemoryContext:
    return context_of(world)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the cloud has waited long at the second look."""
    seconds = count()
    clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda for_seconds: None)
    monkeypatch.setattr(resources, "time", clock)


def opened(world: World, **parameters: Any) -> tuple[World, MemoryContext]:
    """The workload runs on the surrogate; the original idles."""
    context = context_of(world)
    context.job = job(parameters=parameters)
    run_before(context, None)
    return world, context


def drive(context: MemoryContext, *steps: Step) -> None:
    """Apply as the engine does: plain waiting is waited for."""
    for step in steps:
        for _ in range(20):
            try:
                context.run(step)
            except Retry as retry:
                if retry.counts:
                    raise
                continue
            break
        else:
            raise AssertionError(f"{step.name} never ends")


def all_but(steps: Iterable[Step], *left_out: str) -> list[Step]:
    return [s for s in steps if s.name not in left_out]
