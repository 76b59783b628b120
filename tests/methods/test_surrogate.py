"""The method surrogate as it is frozen into jobs."""

from liveupdate import methods
from liveupdate.methods.surrogate import METHOD
from liveupdate.model import JobKind

ORDER = [
    "preflight",
    "lock",
    "fallback",
    "reserve_port",
    "guard",
    "mirror",
    "place",
    "provision",
    "update",
    "attach",
    "connect",
    "pre_copy",
    "cut_over",
    "probe",
    "open",
    "hold",
    "release_original",
    "user_space",
    "clean_up",
]


def test_an_update_does_every_step_in_the_order_of_the_design() -> None:
    assert [spec.id for spec in METHOD.plan().steps] == ORDER


def test_from_the_opening_on_there_is_no_undo_and_until_the_release_there_is_a_way_back() -> None:
    plan = METHOD.plan()
    assert plan.pivot == "open"
    assert [(spec.id, spec.step, spec.parameters) for spec in plan.back] == [
        (f"back.{name}", name, {"direction": "back"}) for name in ("pre_copy", "cut_over", "probe", "open")
    ]
    assert (plan.back_pivot, plan.back_until) == ("back.open", "release_original")


def test_a_preview_only_looks() -> None:
    plan = METHOD.plan(JobKind.PREVIEW)
    assert [spec.id for spec in plan.steps] == ["preflight"]
    assert not plan.pivot
    assert not plan.back


def test_it_is_found_by_its_name() -> None:
    assert methods.find("surrogate") is METHOD
