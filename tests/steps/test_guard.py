"""The guard is told whose disk it is on, what to keep from starting, and which addresses a copy may have."""

from typing import Any

import pytest

from liveupdate.errors import Failed, GuestError
from liveupdate.steps import guard, mirror
from liveupdate.testing.cloud import with_server
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.guest import GuestDouble
from tests.steps.conftest import context_of, run_before
from tests.steps.moving import DATA

UNITS = [
    {"name": "kv.service", "handover": "move", "health": []},
    {"name": "web.service", "handover": "start", "health": []},
    {"name": "old.service", "handover": "leave", "health": []},
]


TOLD = {"pid_base": 70000, "masked": ["kv.service"], "disks": ["data-volume"]}


def reserved(uuid: str = "original") -> MemoryContext:
    """The ports are reserved."""
    context = context_of(with_server())
    context.guests["original"].answers = {"guard_install": TOLD}
    run_before(context, mirror.STEP)
    guest: dict[str, Any] = context.results["preflight"]["guest"]
    guest |= {"smbios_uuid": uuid, "mounts": [*guest["mounts"], DATA]}
    context.results["preflight"] = {**context.results["preflight"], "units": UNITS}
    return context


def told(context: MemoryContext) -> dict[str, Any]:
    guest = context.guests["original"]
    return next(arguments for command, arguments in guest.calls if command == "guard_install")


def test_a_copy_has_only_the_surrogates_own_address_and_the_original_may_keep_its_temporary_one() -> None:
    context = reserved()
    assert guard.STEP.apply(context) == TOLD
    ports = context.results["reserve_port"]
    assert told(context)["management"]["address"] == ports["surrogate"]["address"]
    assert told(context)["management"]["mac"] == ports["surrogate"]["mac"]
    own = context.results["preflight"]["server"]["ports"][0]
    assert told(context)["original_management"]["address"] == ports["original_management"]["address"]
    assert told(context)["original_management"]["mac"] == own["mac"]
    assert told(context)["original_uuid"] == "original"


def test_all_that_may_not_run_twice_is_masked_also_what_is_left_behind() -> None:
    context = reserved()
    guard.STEP.apply(context)
    assert told(context)["workload"] == ["kv.service", "old.service"]
    assert told(context)["mounts"] == ["/data"]
    assert told(context)["disks"] == ["data-volume"], "the surrogate gets it while the original writes to it"


def test_a_machine_that_does_not_know_its_servers_id_is_refused_before_anything_is_installed() -> None:
    context = reserved(uuid="something else")
    with pytest.raises(Failed) as caught:
        guard.STEP.apply(context)
    assert caught.value.code == "live-update.guard.unknown-machine"
    assert context.guests["original"].calls == []


def test_whether_it_is_whole_nobody_looks_it_is_installed_again() -> None:
    context = reserved()
    guard.STEP.apply(context)
    assert not guard.STEP.probe(context).done
    guard.STEP.apply(context)


def test_undo_takes_it_and_the_program_away_also_when_nothing_was_installed() -> None:
    context = reserved()
    for _ in range(2):
        guard.STEP.undo(context)
    assert [command for command, _ in context.guests["original"].calls] == ["guard_remove", "remove_agent"] * 2


def test_an_undo_that_does_not_reach_the_guest_is_not_taken_for_done() -> None:
    class Silent(GuestDouble):
        def oneshot(self, command: str, arguments: Any, timeout: float = 0) -> dict[str, Any]:
            raise GuestError("no answer", code="live-update.guest.unreachable")

    context = reserved()
    context.guests = {"original": Silent()}
    with pytest.raises(GuestError):
        guard.STEP.undo(context)
