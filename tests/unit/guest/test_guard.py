"""The guard: what a copy of the disk may do when it boots, on which machine, at which point of a move."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from liveupdate.guest import generator, guard, nics, places, units
from liveupdate.guest.errors import GuestError
from tests.waiting import PATIENCE

ORIGINAL, COPY = "00000000-0000-4000-8000-000000000011", "00000000-0000-4000-8000-000000000012"
MANAGEMENT = {"mac": "52:54:00:00:00:12", "address": "10.0.0.12", "prefix": 24, "gateway": "10.0.0.1", "mtu": 1450}


class Machine:
    """A folder with the guard's lists, and a boot: the generator as systemd calls it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.guard = folder, folder / "guard"
        self.guard.mkdir()
        self.expecting = folder / "expecting"
        for name, lines in {
            "original": [ORIGINAL],
            "always": ["cloud-init.service", "systemd-networkd.service"],
            "storage": ["iscsid.socket", "open-iscsi.service"],
            "periodic": ["timers.target", "cron.service"],
            "units": ["kv.service", "kv.socket"],
            "mounts": ["data.mount", r"srv-with\x2ddash.mount"],
        }.items():
            (self.guard / name).write_text("".join(f"{line}\n" for line in lines))
        # the real one would lift the PIDs of the machine that runs these tests
        (self.guard / "pids").write_text(f"echo lifted $1 > {folder}/pids\n")

    def boot(self, uuid: str) -> Path:
        """Returns the directory of units that win over all others."""
        early = self.folder / f"early-{len(list(self.folder.iterdir()))}"
        early.mkdir()
        (self.folder / "uuid").write_text(f"{uuid}\n")
        script = generator.generator(str(self.guard), str(self.expecting), str(self.folder / "uuid"))
        argv = ["/bin/sh", "-eu", "-c", script, "generator", "/nowhere", str(early), "/nowhere"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stderr) == (0, "")
        return early

    def plug(self, uuid: str, serials: str) -> bool:
        """Whether a disk that comes is made read-only there, as udev has it done."""
        (self.folder / "uuid").write_text(f"{uuid}\n")
        (self.guard / "disks").write_text("0123456789abcdef0123\n")
        (self.folder / "blockdev").write_text(f'#!/bin/sh\necho "$@" > {self.folder}/made\n')
        (self.folder / "blockdev").chmod(0o700)
        (self.folder / "made").unlink(missing_ok=True)
        script = generator.disk(str(self.guard), str(self.folder / "uuid")).replace("PATH=", f"PATH={self.folder}:")
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", script, "disk", "vdb", serials], capture_output=True, text=True, timeout=PATIENCE
        )
        assert (done.returncode, done.stderr) == (0, "")
        made = self.folder / "made"
        return made.exists() and made.read_text() == "--setro /dev/vdb\n"

    def mark(self, name: str) -> None:
        (self.guard / name).touch()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def masked(early: Path) -> set[str]:
    return {str(p.relative_to(early)) for p in early.rglob("*") if p.is_symlink() and os.readlink(p) == "/dev/null"}


def test_on_the_original_it_does_nothing(machine: Machine) -> None:
    assert list(machine.boot(ORIGINAL).iterdir()) == []
    assert not (machine.folder / "pids").exists()


def test_a_copy_starts_and_mounts_nothing_of_the_workload(machine: Machine) -> None:
    early = machine.boot(COPY)
    assert {"kv.service", "kv.socket", "data.mount", r"srv-with\x2ddash.mount"} <= masked(early)
    assert {"timers.target", "cron.service"} <= masked(early)


def test_a_copy_is_no_new_instance_and_does_not_take_the_originals_addresses(machine: Machine) -> None:
    assert {"cloud-init.service", "systemd-networkd.service"} <= masked(machine.boot(COPY))


def test_a_copy_has_one_service_that_puts_up_its_address_early(machine: Machine) -> None:
    early = machine.boot(COPY)
    text = (early / "liveupdate-guard.service").read_text()
    assert f"ExecStart=/bin/sh {machine.guard}/network {COPY}\n" in text
    assert (early / "sysinit.target.wants/liveupdate-guard.service").resolve() == early / "liveupdate-guard.service"
    assert (machine.folder / "pids").read_text() == f"lifted {COPY}\n"


def test_a_masked_mount_of_fstab_does_not_break_the_boot(machine: Machine) -> None:
    """local-fs.target requires it: without that target the root stays read-only."""
    early = machine.boot(COPY)
    for need in ("requires", "wants"):
        assert f"local-fs.target.{need}/data.mount" in masked(early)


def test_while_a_move_is_expected_units_may_be_loaded_but_systemd_mounts_nothing(machine: Machine) -> None:
    machine.expecting.touch()
    early = machine.boot(COPY)
    assert not {"kv.service", "kv.socket", "data.mount"} & masked(early)
    told = (early / "data.mount.d/liveupdate-guard.conf").read_text()
    assert told == f"[Unit]\nAssertPathExists=!{places.AWAY}\n"
    assert {"cron.service", "systemd-networkd.service"} <= masked(early)


def test_where_the_workload_has_come_to_stay_it_starts(machine: Machine) -> None:
    machine.mark("here")
    machine.mark(places.INITIATOR)
    assert masked(machine.boot(COPY)) == {"cloud-init.service", "systemd-networkd.service"}


def test_a_copy_logs_in_to_no_storage_until_it_has_an_initiator_name_of_its_own(machine: Machine) -> None:
    storage = {"iscsid.socket", "open-iscsi.service"}
    assert storage <= masked(machine.boot(COPY))
    machine.mark(places.INITIATOR)
    assert not storage & masked(machine.boot(COPY))


def test_where_the_workload_has_left_the_original_is_a_copy(machine: Machine) -> None:
    machine.mark("away")
    assert {"kv.service", "data.mount", "systemd-networkd.service"} <= masked(machine.boot(ORIGINAL))


def test_a_machine_that_cannot_tell_who_it_is_counts_as_a_copy(machine: Machine) -> None:
    assert "kv.service" in masked(machine.boot(""))


def test_the_marks_of_a_move_are_the_ones_the_generator_looks_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "GUARD", str(machine.guard))
    places.prepare_mark("52:54:00:00:00:12 10.0.0.50/24 - -\n")
    assert masked(machine.boot(ORIGINAL)) == set()
    places.disown()
    assert "kv.service" in masked(machine.boot(ORIGINAL))
    places.own()
    assert (machine.guard / "here").read_text() == "52:54:00:00:00:12 10.0.0.50/24 - -\n"
    assert masked(machine.boot(ORIGINAL)) == set()
    assert "kv.service" not in masked(machine.boot(COPY))


def test_a_disk_that_has_become_full_keeps_nobody_from_leaving_or_from_serving_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "GUARD", str(machine.guard))
    places.prepare_mark("52:54:00:00:00:12 10.0.0.50/24 - -\n")

    def full(path: str, flags: int, *_: object) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return opened(path, flags)

    opened = os.open
    monkeypatch.setattr(os, "open", full)
    places.disown()
    assert "kv.service" in masked(machine.boot(ORIGINAL))
    places.own()
    assert masked(machine.boot(ORIGINAL)) == set()


def test_a_machine_that_was_never_told_otherwise_has_its_workload_without_a_mark(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark that says so would be in every copy of its disk."""
    monkeypatch.setattr(places, "GUARD", str(machine.guard))
    places.prepare_mark("")
    places.own()
    assert not (machine.guard / "here").exists()


def test_a_workload_for_which_no_mark_was_prepared_is_not_given_away(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "GUARD", str(machine.guard))
    with pytest.raises(FileNotFoundError):
        places.disown()
    assert not places.owned()


def test_a_machine_with_both_marks_has_one_once_it_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "GUARD", str(machine.guard))
    machine.mark("here")
    machine.mark("away")
    places.disown()
    assert "kv.service" in masked(machine.boot(COPY))


@pytest.mark.parametrize("turn", [places.disown, places.own])
def test_a_turn_that_a_predecessor_has_begun_is_on_the_disk_before_it_counts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, turn: Callable[[], None]
) -> None:
    monkeypatch.setattr(places, "GUARD", str(machine.guard))
    machine.mark("away" if turn is places.disown else "here")

    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        turn()


SHARED = "0123456789abcdef0123"


def test_a_disk_of_both_machines_is_read_only_where_the_workload_is_not(machine: Machine) -> None:
    assert machine.plug(COPY, f"{SHARED} ")
    assert machine.plug(COPY, f" {SHARED}"), "by its SCSI serial number"
    assert machine.plug("", SHARED), "a machine that cannot tell who it is counts as a copy"
    assert not machine.plug(ORIGINAL, SHARED)
    machine.mark("away")
    assert machine.plug(ORIGINAL, SHARED), "restarted while its workload is away"


def test_other_disks_are_left_alone(machine: Machine) -> None:
    assert not machine.plug(COPY, "fedcba98765432100123")
    assert not machine.plug(COPY, " ")


def test_a_disk_is_writable_where_the_workload_has_come_to_stay(machine: Machine) -> None:
    machine.mark("here")
    assert not machine.plug(COPY, SHARED)


@pytest.mark.parametrize("script", [generator.generator(), generator.network(), generator.pids(), generator.disk()])
def test_the_scripts_are_posix_shell(script: str) -> None:
    subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=True, timeout=PATIENCE)


# -- installing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the guard goes, on a machine with the original's UUID and the units kv.service and kv.timer."""
    shown = {"kv.service": "kv.timer", "data.mount": "data.automount"}

    def show(*names: str) -> list[units.Unit]:
        return [units.Unit({"Id": name, "TriggeredBy": shown.get(name, "")}) for name in names]

    monkeypatch.setattr(guard, "GUARD", str(tmp_path / "guard"))
    monkeypatch.setattr(guard, "GENERATOR", str(tmp_path / "generators/liveupdate-guard"))
    monkeypatch.setattr(guard, "RULE", str(tmp_path / "rules/liveupdate-guard.rules"))
    monkeypatch.setattr(guard, "CLOUD_INIT", str(tmp_path / "cloud/99.cfg"))
    monkeypatch.setattr(guard, "LINK", str(tmp_path / "network/{}.link"))
    monkeypatch.setattr(guard, "uuid", lambda: ORIGINAL)
    monkeypatch.setattr(guard, "_ip_routes", lambda: [])
    monkeypatch.setattr(units, "show", show)
    monkeypatch.setattr(units, "reload", lambda: None)
    monkeypatch.setattr(guard, "_start_periodic", lambda: None)
    monkeypatch.setattr(nics, "names", lambda: {"52:54:00:00:00:11": "ens3"})
    (tmp_path / "cloud").mkdir()
    return tmp_path


def install(**changes: object) -> dict[str, object]:
    arguments: dict[str, object] = {
        "original_uuid": ORIGINAL,
        "management": MANAGEMENT,
        "workload": ["kv.service"],
        "mounts": ["/data"],
    }
    return guard.guard_install(**(arguments | changes))  # type: ignore[arg-type]


def test_what_would_start_a_unit_is_masked_with_it(installed: Path) -> None:
    assert install()["masked"] == ["data.automount", "data.mount", "kv.service", "kv.timer"]
    assert (installed / "guard/units").read_text() == "kv.service\nkv.timer\n"


def test_only_root_can_read_it_and_systemd_can_run_it(installed: Path) -> None:
    install()
    assert (installed / "guard").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in (installed / "guard").iterdir()} == {0o600}
    assert [p.stat().st_mode & 0o777 for p in (installed / "generators").iterdir()] == [0o700]


def test_a_server_without_anything_to_mask_can_be_guarded(installed: Path) -> None:
    install(workload=[], mounts=[])
    assert (installed / "guard/units").read_text() == ""


def test_disks_of_both_machines_are_named_to_udev_and_forgotten_with_the_guard(installed: Path) -> None:
    assert install(disks=[SHARED])["disks"] == [SHARED]
    assert (installed / "guard/disks").read_text() == f"{SHARED}\n"
    [rule] = (installed / "rules").iterdir()
    assert f"/bin/sh {places.GUARD}/disk %k" in rule.read_text()
    guard.guard_remove()
    assert not any((installed / "rules").iterdir())


def test_installed_again_it_forgets_the_marks_of_an_earlier_move(installed: Path) -> None:
    install()
    (installed / "guard/away").touch()
    install()
    assert not (installed / "guard/away").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"original_uuid": COPY},
        {"management": {**MANAGEMENT, "mac": "52:54:00:00:00:12 x"}},
        {"management": {**MANAGEMENT, "address": "10.0.0.12; reboot"}},
        {"management": {**MANAGEMENT, "gateway": "$(reboot)"}},
        {"workload": ["../../etc/passwd"]},
        {"disks": ["$(reboot)"]},
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(installed: Path, changes: dict[str, object]) -> None:
    with pytest.raises((GuestError, ValueError)):
        install(**changes)
    assert not (installed / "guard").exists()
    assert not (installed / "generators").exists()


def test_removed_from_the_original_nothing_is_left(installed: Path) -> None:
    install()
    assert guard.guard_remove() == {"was": "original"}
    assert guard.guard_remove() == {"was": "absent"}
    assert sorted(p.name for p in installed.rglob("*")) == ["cloud", "generators"]


def test_removed_from_the_copy_its_identity_stays_as_it_is(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setattr(guard, "uuid", lambda: COPY)
    assert guard.guard_remove() == {"was": "copy"}
    assert "manual_cache_clean: true" in (installed / "cloud/99.cfg").read_text()
    link = (installed / "network/525400000011.link").read_text()
    assert "MACAddress=52:54:00:00:00:11" in link
    assert "Name=ens3" in link
    assert not (installed / "guard").exists()


def test_a_half_removed_guard_is_removed(installed: Path) -> None:
    install()
    (installed / "guard/original").unlink()
    assert guard.guard_remove() == {"was": "absent"}
    assert not (installed / "guard").exists()
    assert not any((installed / "generators").iterdir())


@pytest.mark.parametrize(
    ("taken", "last"),
    [([1, 2, 900], 950), ([1, 400, 2_100_000], 2_200_000), ([1, 4_194_000], 4_194_100), (range(1, 4_000_000, 9000), 7)],
)
def test_pids_of_copy_and_original_are_far_from_all_that_lives(taken: Iterable[int], last: int) -> None:
    copy, original = guard.pid_bases(taken, last)
    for base in (copy, original):
        assert generator.PID_MIN < base < generator.PID_MAX
        ahead = [pid - base for pid in (*taken, last) if pid >= base]
        assert min(ahead, default=10**6) > 2500
    assert original - copy > 2500


def test_routes_of_the_network_beside_the_default_are_kept() -> None:
    shown = [
        {"dst": "default", "gateway": "10.0.0.1", "dev": "ens3"},
        {"dst": "169.254.169.254", "gateway": "10.0.0.2", "dev": "ens3"},
        {"dst": "10.0.0.0/24", "dev": "ens3"},
    ]
    assert guard.routes(shown) == ["169.254.169.254 10.0.0.2"]
