"""Host groups live in aggregate metadata, and nowhere else."""

from dataclasses import dataclass, field

import pytest

from liveupdate.planning import groups
from liveupdate.planning.groups import DEFAULT, DEFAULT_AGGREGATE, HostGroup, Rules


@dataclass(frozen=True)
class Aggregate:
    id: int
    name: str
    hosts: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


GOLD = Rules("packing", 80, 2, True, "striping")


def test_rules_come_back_from_metadata_as_they_went_in() -> None:
    [_, gold] = groups.read([Aggregate(1, "gold", ("b", "a"), groups.metadata(GOLD))], [])
    assert gold == HostGroup("gold", GOLD, ("a", "b"), 1)
    assert set(groups.metadata(GOLD)) == set(groups.KEYS)


def test_the_default_group_is_always_there_and_holds_the_rest() -> None:
    plain = Aggregate(1, "rack", ("a", "b"), {"hypervisor": "qemu"})
    gold = Aggregate(2, "gold", ("b",), groups.metadata(GOLD))
    [default, _] = groups.read([plain, gold], ["c", "a", "b"])
    assert default == HostGroup(DEFAULT, Rules(), ("a", "c"))


def test_what_was_set_for_the_default_group_is_kept_in_an_aggregate_without_hosts() -> None:
    [default] = groups.read([Aggregate(7, DEFAULT_AGGREGATE, (), groups.metadata(GOLD))], ["a"])
    assert default == HostGroup(DEFAULT, GOLD, ("a",), 7)


def test_a_host_that_others_have_put_into_two_groups_is_seen() -> None:
    both = [Aggregate(n, name, ("a",), groups.metadata(Rules())) for n, name in ((1, "gold"), (2, "silver"))]
    assert groups.of_host(groups.read(both, ["a"]), "a") == ("gold", "silver")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("liveupdate:policy", "magic"),
        ("liveupdate:fill_ceiling", "0"),
        ("liveupdate:fill_ceiling", "½"),
        ("liveupdate:fill_ceiling", "101"),
        ("liveupdate:minimum_paths", "-1"),
        ("liveupdate:make_room", "maybe"),
        ("liveupdate:without_metrics", "cpu_utilization"),
    ],
)
def test_metadata_that_make_no_sense_are_told_never_guessed(key: str, value: str) -> None:
    [_, group] = groups.read([Aggregate(1, "gold", (), {**groups.metadata(GOLD), key: value})], [])
    [fault] = group.faults
    assert key in fault
    assert repr(value) in fault


def test_an_aggregate_with_a_policy_alone_is_a_group() -> None:
    [_, group] = groups.read([Aggregate(1, "gold", (), {"liveupdate:policy": "packing"})], [])
    assert (group.rules, group.faults) == (Rules("packing"), ())
