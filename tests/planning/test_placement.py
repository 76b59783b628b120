"""Where a surrogate may go."""

from dataclasses import replace

import pytest

from liveupdate.drivers.cloud.hosts import Host
from liveupdate.planning.placement import Need, choose

HOME = Host("home", "nova", True, {"hypervisor": frozenset({"qemu"})})
AWAY = replace(HOME, name="away")
NEED = Need("original", "home", extra_specs={"aggregate_instance_extra_specs:hypervisor": "qemu"})
ROOM = {"home", "away"}


def test_another_host_is_preferred() -> None:
    choice = choose(NEED, [HOME, AWAY], ROOM)
    assert (choice.hosts, choice.other_host, choice.hints) == (("away", "home"), True, {"different_host": "original"})


def test_the_same_host_will_do_if_it_has_room_for_two() -> None:
    choice = choose(NEED, [HOME], ROOM)
    assert (choice.hosts, choice.other_host, choice.hints) == (("home",), False, {"same_host": "original"})


def test_its_group_stays_its_group() -> None:
    assert choose(replace(NEED, group_id="g"), [AWAY], ROOM).hints["group"] == "g"


@pytest.mark.parametrize(
    ("need", "host", "room", "reason"),
    [
        (NEED, replace(AWAY, usable=False), ROOM, "down or disabled"),
        (replace(NEED, zone="east"), AWAY, ROOM, "in another availability zone"),
        (NEED, replace(AWAY, aggregates={}), ROOM, "not of the flavor's kind"),
        (replace(NEED, extra_specs={"hypervisor": "fake"}), AWAY, ROOM, "not of the flavor's kind"),
        (NEED, AWAY, {"home"}, "without room"),
        (replace(NEED, together=frozenset({"home"})), AWAY, ROOM, "not where the server group is"),
        (replace(NEED, apart=frozenset({"away"})), AWAY, ROOM, "taken by the server group"),
        (replace(NEED, avoid_same_host=True), HOME, ROOM, "the original's host"),
    ],
)
def test_a_host_that_does_not_suit_is_refused_with_its_reason(
    need: Need, host: Host, room: set[str], reason: str
) -> None:
    choice = choose(need, [host], room)
    assert choice.hosts == ()
    assert choice.why_not() == f"1 × {reason}"


@pytest.mark.parametrize(
    "specs",
    [
        {"hw:cpu_policy": "shared", "trait:COMPUTE_NODE": "required"},
        {"hypervisor": "<or> xen <or> qemu"},
        {"aggregate_instance_extra_specs:hypervisor": "qemu"},
    ],
)
def test_a_flavors_specs_are_read_as_novas_filter_reads_them(specs: dict[str, str]) -> None:
    assert choose(replace(NEED, extra_specs=specs), [AWAY], ROOM).hosts == ("away",)
