"""Where a surrogate may go: eligibility before policy, and a reason for every host."""

import json
from dataclasses import replace

import pytest

from liveupdate.model import SameHost
from liveupdate.planning.eligibility import Need
from liveupdate.planning.fleet import HostFacts, Inventory
from liveupdate.planning.groups import DEFAULT, HostGroup, Rules
from liveupdate.planning.placement import Choice, choose
from tests.planning.fleets import RESOURCES, host

QEMU = {"hypervisor": frozenset({"qemu"})}
HOME = host("home", aggregates=QEMU)
AWAY = host("away", aggregates=QEMU, servers=7)
NEED = Need("original", "home", RESOURCES, extra_specs={"aggregate_instance_extra_specs:hypervisor": "qemu"})
GROUP = HostGroup(DEFAULT, Rules())


def place(need: Need, *hosts: HostFacts, group: HostGroup = GROUP) -> Choice:
    return choose(need, hosts, group)


def test_another_host_is_preferred_whatever_the_policy_says() -> None:
    choice = place(NEED, HOME, AWAY)
    assert (choice.hosts, choice.other_host, choice.hints) == (("away", "home"), True, {"different_host": "original"})


def test_the_same_host_will_do_if_it_has_room_for_two() -> None:
    choice = place(NEED, HOME)
    assert (choice.hosts, choice.other_host, choice.hints) == (("home",), False, {"same_host": "original"})


def test_the_policy_alone_decides_where_the_same_host_is_allowed() -> None:
    anywhere = replace(NEED, same_host=SameHost.ALLOW)
    assert place(anywhere, HOME, AWAY).hosts == ("home", "away")
    assert place(anywhere, replace(HOME, servers=8), AWAY).hosts == ("away", "home")
    # two of the same would share one host's fate
    assert place(anywhere, replace(HOME, servers=7), AWAY).hosts == ("away", "home")


def test_its_group_stays_its_group() -> None:
    assert place(replace(NEED, group_id="g"), AWAY).hints["group"] == "g"


def room(vcpus: int, memory: int) -> dict[str, Inventory]:
    return {"VCPU": Inventory(vcpus), "MEMORY_MB": Inventory(memory)}


@pytest.mark.parametrize(
    ("need", "host", "kind", "reason"),
    [
        (NEED, replace(AWAY, up=False), "down", "down"),
        (NEED, replace(AWAY, enabled=False, why_disabled="fan"), "disabled", "disabled: fan"),
        (replace(NEED, zone="east"), AWAY, "in another availability zone", "in availability zone nova, not east"),
        (NEED, replace(AWAY, aggregates={}), "not of the flavor's kind", "its aggregates"),
        (replace(NEED, extra_specs={"hypervisor": "fake"}), AWAY, "not of the flavor's kind", "its aggregates"),
        (replace(NEED, required=frozenset({"CUSTOM_A"})), AWAY, "lacks required traits", "lacks CUSTOM_A"),
        (
            replace(NEED, forbidden=frozenset({"CUSTOM_B"})),
            replace(AWAY, traits=frozenset({"CUSTOM_B"})),
            "has forbidden traits",
            "has CUSTOM_B",
        ),
        (
            replace(NEED, instructions=frozenset({"HW_CPU_X86_AVX2", "CUSTOM_RACK_1"})),
            AWAY,
            "lacks processor features",
            "lacks what the original's host has: HW_CPU_X86_AVX2",
        ),
        (replace(NEED, together=frozenset({"home"})), AWAY, "not where the server group is", "not where"),
        (replace(NEED, apart=frozenset({"away"})), AWAY, "taken by the server group", "taken by the server group"),
        (replace(NEED, same_host=SameHost.AVOID), HOME, "the original's host", "the original's host"),
        (replace(NEED, refused_by_nova={"away": "No valid host"}), AWAY, "refused by Nova", "No valid host"),
        (NEED, replace(AWAY, groups=("gold",)), "in another host group", "in host group gold"),
        (NEED, replace(AWAY, groups=("gold", DEFAULT)), "in two host groups", "gold, default"),
        (
            NEED,
            replace(AWAY, inventories=room(1, 512)),
            "without room",
            "MEMORY_MB: 1024 needed, 512 of 512 free; VCPU: 2 needed, 1 of 1 free",
        ),
        (NEED, replace(AWAY, offered=False), "no offer of Placement's", "Placement offers no such allocation"),
    ],
)
def test_a_host_that_does_not_suit_is_refused_with_its_reason(
    need: Need, host: HostFacts, kind: str, reason: str
) -> None:
    choice = place(need, host)
    assert choice.hosts == ()
    assert choice.why_not() == f"1 × {kind}"
    assert reason in choice.judged[0].reason
    assert not choice.held_back


@pytest.mark.parametrize(
    "specs",
    [
        {"hw:cpu_policy": "shared", "trait:COMPUTE_NODE": "required"},
        {"hypervisor": "<or> xen <or> qemu"},
        {"aggregate_instance_extra_specs:hypervisor": "qemu"},
        {"group_policy": "isolate"},
    ],
)
def test_a_flavors_specs_are_read_as_novas_filter_reads_them(specs: dict[str, str]) -> None:
    assert place(replace(NEED, extra_specs=specs), AWAY).hosts == ("away",)


def test_room_that_other_jobs_hold_is_not_there_but_may_come_back() -> None:
    held = replace(AWAY, inventories=room(3, 65536), held={"VCPU": 2, "MEMORY_MB": 1024})
    choice = place(NEED, held)
    assert (choice.hosts, choice.held_back) == ((), True)
    assert choice.why_not() == "1 × reserved by other jobs"
    assert "VCPU: 2 needed, 1 of 3 free" in choice.judged[0].reason
    assert not place(NEED, replace(held, offered=False)).held_back


def test_the_fill_ceiling_counts_the_newcomer() -> None:
    half = replace(AWAY, inventories={"VCPU": Inventory(10, used=6), "MEMORY_MB": Inventory(65536)})
    assert place(NEED, half, group=HostGroup(DEFAULT, Rules(fill_ceiling=80))).hosts == ("away",)
    refused = place(NEED, half, group=HostGroup(DEFAULT, Rules(fill_ceiling=79)))
    assert refused.why_not() == "1 × above the group's ceiling"
    assert refused.judged[0].reason == "VCPU would be 80.0 % allocated, the group's ceiling is 79 %"


def test_a_ceiling_reached_through_other_jobs_may_be_free_again() -> None:
    held = replace(AWAY, inventories={"VCPU": Inventory(10, used=4), "MEMORY_MB": Inventory(65536)}, held={"VCPU": 2})
    assert place(NEED, held, group=HostGroup(DEFAULT, Rules(fill_ceiling=70))).held_back


def test_soft_wishes_come_before_the_policy_and_are_told() -> None:
    near, far = host("near", servers=9), host("far")
    liked = place(replace(NEED, extra_specs={}, soft={"near": -2}), near, far)
    assert liked.hosts == ("near", "far")
    assert liked.judged[0].reason == "9 servers; 2 of its soft affinity group are here"
    disliked = place(replace(NEED, extra_specs={}, soft={"far": 1}), near, far)
    assert disliked.hosts == ("near", "far")
    assert "1 of its soft anti-affinity group are here" in disliked.judged[1].reason


def test_a_group_whose_metadata_makes_no_sense_places_nothing() -> None:
    choice = place(NEED, AWAY, group=HostGroup(DEFAULT, Rules(), faults=("liveupdate:policy is 'magic'",)))
    assert choice.why_not() == "1 × its host group is set up wrongly"
    assert "magic" in choice.judged[0].reason


def test_a_choice_explains_itself_as_json() -> None:
    told = place(NEED, AWAY, replace(HOME, up=False)).as_json()
    assert told == {
        "group": "default",
        "policy": "striping",
        "note": "",
        "hosts": [
            {"host": "away", "verdict": "fit", "reason": "7 servers", "score": 7.0},
            {"host": "home", "verdict": "refused", "reason": "down", "score": None},
        ],
        "left_out": {},
    }


def test_what_a_job_keeps_is_small_however_many_hosts_there_are() -> None:
    of_group = [host(f"host{n:04d}", up=n % 2 == 0) for n in range(400)]
    others = [host(f"other{n:04d}", groups=("gold",)) for n in range(1600)]
    kept = place(Need("o", "host0000", RESOURCES), *of_group, *others).summary()
    assert [told["verdict"] for told in kept["hosts"]] == ["fit"] * 100
    assert kept["left_out"] == {"down": 200, "fit": 100, "in another host group": 1600}
    assert len(json.dumps(kept)) < 20_000
