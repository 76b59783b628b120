"""All methods there are, and the steps that they are made of."""

from pathlib import Path

import pytest

import liveupdate.steps
from liveupdate import methods
from liveupdate.errors import Invalid
from liveupdate.methods import capture, deploy, fallback_expire, image_delete, restore, surrogate

#: Modules of liveupdate.steps that are no steps.
_OTHERS = {
    "__init__",
    "checking",
    "copies",
    "fleet_facts",
    "frozen",
    "gone",
    "kinds",
    "making_room",
    "path_events",
    "protocol",
    "replacement",
    "resources",
    "server_facts",
    "server_image",
    "server_request",
    "sightings",
}
METHODS = tuple(module.METHOD for module in (capture, deploy, fallback_expire, image_delete, restore, surrogate))


def test_every_step_there_is_belongs_to_a_method_under_its_own_name() -> None:
    there = {path.stem for path in Path(liveupdate.steps.__file__).parent.glob("*.py")} - _OTHERS
    assert there == {step.name for method in METHODS for step in (*method.steps, *method.former)}


def test_what_older_releases_have_planned_is_still_known() -> None:
    assert methods.steps()["mirror"].part == ""
    assert "mirror" not in {spec.step for spec in surrogate.METHOD.plan().steps}


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_method_is_found_by_its_name_and_a_worker_has_its_steps(method: methods.Method) -> None:
    assert methods.find(method.name) is method
    assert {spec.step for spec in method.plan().steps} <= set(methods.steps())


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_the_ids_of_a_plan_are_unique_and_its_pivot_is_one_of_them(method: methods.Method) -> None:
    plan = method.plan()
    ids = [spec.id for spec in plan.steps]
    assert len(set(ids)) == len(ids)
    assert plan.pivot in ids


def test_a_restore_deletes_the_old_server_last_of_what_can_be_undone() -> None:
    plan = restore.METHOD.plan()
    assert [spec.id for spec in plan.steps] == [
        "preflight",
        "lock",
        "mirror",
        "place",
        "take_down",
        "fallback",
        "unplug",
        "provision",
        "retire",
        "settle",
    ]
    assert plan.pivot == "retire"
    assert not plan.back


def test_the_end_of_a_fallback_has_said_yes_or_no_before_anything_is_deleted() -> None:
    plan = fallback_expire.METHOD.plan()
    assert ([spec.id for spec in plan.steps], plan.pivot) == (["inspect_fallback", "end_fallback"], "inspect_fallback")


def test_a_capture_leaves_the_server_alone_before_it_boots_the_copy_and_names_the_image_last() -> None:
    plan = capture.METHOD.plan()
    ids = [spec.id for spec in plan.steps]
    assert ids.index("guard") < ids.index("copy_volumes") < ids.index("release_source") < ids.index("boot_copy")
    assert (plan.pivot, ids[-2:]) == ("publish_image", ["publish_image", "settle_capture"])


def test_an_unknown_method_is_told_those_there_are() -> None:
    with pytest.raises(Invalid) as told:
        methods.find("magic")
    assert "surrogate" in told.value.remedy
