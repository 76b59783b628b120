"""Where a job's two guests answer, step by step: never where the other one might."""

import pytest

from liveupdate.model import Plan, StepSpec
from liveupdate.testing.cloud import CloudDouble, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.worker.guests import Guests, addresses

STEPS = ("preflight", "reserve_port", "attach", "pre_copy", "cut_over", "open", "release_original", "clean_up")
PLAN = Plan("test", tuple(StepSpec(s, s) for s in STEPS), "open", (StepSpec("back.cut_over", "cut_over"),))
SERVICE, MANAGEMENT, OWN = "10.0.0.10", "10.0.0.90", "10.0.0.91"
RESULTS = {
    "preflight": {"server": {"ports": [{"address": SERVICE}]}, "host_key": "ssh-ed25519 AAAA"},
    "reserve_port": {"surrogate": {"address": OWN}, "original_management": {"address": MANAGEMENT}},
}


def at(step: str) -> MemoryContext:
    results = {} if step == "preflight" else dict(RESULTS)
    service = CloudDouble(with_server(), admin=True)
    spec = StepSpec(step, step.removeprefix("back."))
    return MemoryContext(job(plan=PLAN), None, service, results=results, spec=spec)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "original"),
    [
        ("preflight", (SERVICE,)),
        ("attach", (SERVICE,)),
        ("pre_copy", (MANAGEMENT, SERVICE)),
        ("cut_over", (MANAGEMENT,)),
        ("open", (MANAGEMENT,)),
        ("back.cut_over", (MANAGEMENT,)),
        ("release_original", (MANAGEMENT,)),
    ],
)
def test_the_original(step: str, original: tuple[str, ...]) -> None:
    assert addresses(at(step), "original") == original


@pytest.mark.parametrize(
    ("step", "surrogate"),
    [
        ("attach", (OWN,)),
        ("cut_over", (OWN,)),
        ("back.cut_over", (OWN,)),
        ("release_original", (OWN, SERVICE)),
        ("clean_up", (SERVICE,)),
    ],
)
def test_the_surrogate(step: str, surrogate: tuple[str, ...]) -> None:
    assert addresses(at(step), "surrogate") == surrogate


def test_a_guest_is_kept_for_its_job_and_follows_its_address_until_it_is_forgotten() -> None:
    context = at("attach")
    guests = Guests(context.settings.guest)
    original = guests.of(context, "original")
    assert (original.address, guests.of(context, "original")) == (SERVICE, original)
    assert guests.of(at("cut_over"), "original") is original
    assert original.address == MANAGEMENT
    assert guests.of(context, "surrogate") is not original
    guests.forget(context.job.id)
    assert guests.of(context, "original") is not original
