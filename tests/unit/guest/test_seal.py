"""Sealing: what goes from a disk that becomes an image, what stays, and on which machine it may run at all."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from liveupdate.guest import guard, places, provenance, seal, witness
from liveupdate.guest.broom import Broom
from liveupdate.guest.errors import GuestError
from liveupdate.planning.witness import heard
from tests.waiting import PATIENCE

ORIGINAL, COPY = "00000000-0000-4000-8000-000000000011", "00000000-0000-4000-8000-000000000012"
WORD = "0f7a4c1e-5b1d-4a53-9a51-2f6f2d1c9b10"
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
postgres:x:1:1::/var/lib/postgresql:/bin/sh
odd:x:2:2::/:/bin/sh
debian:x:1000:1000::/home/debian:/bin/bash
"""
GONE = (
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "root/.ssh/authorized_keys",
    "home/debian/.ssh/id_ed25519",
    "root/.bash_history",
    "var/lib/postgresql/.psql_history",
    "var/lib/cloud/data/instance-id",
    "var/lib/cloud/instances/i-1/sem/config_ssh",
    "var/lib/cloud/sem/config_scripts_per_once.once",
    "etc/netplan/50-cloud-init.yaml",
    "etc/systemd/network/10-cloud-init-ens3.network",
    "etc/network/interfaces.d/50-cloud-init",
    "etc/udev/rules.d/70-persistent-net.rules",
    "var/lib/dhcp/dhclient.ens3.leases",
    "var/lib/systemd/random-seed",
    "var/lib/dbus/machine-id",
    "var/log/journal/abc/system.journal",
    "var/log/syslog.1",
    "var/log/old/messages-20260101",
    "var/log/cloud-init-output.log",
    "tmp/.hidden/file",
    "var/tmp/liveupdate-images/pages-1.img",
    "etc/cloud/cloud.cfg.d/98-liveupdate-fallback.cfg",
    "etc/cloud/cloud.cfg.d/99-liveupdate.cfg",
    "etc/systemd/network/10-liveupdate-fa163e000001.link",
    "var/lib/liveupdate/update.json",
    "etc/liveupdate-guard/original",
    "etc/systemd/system-generators/liveupdate-guard",
    "etc/udev/rules.d/liveupdate-guard.rules",
)
KEPT = (
    "etc/ssh/sshd_config",
    "etc/systemd/network/20-own.network",
    "etc/cloud/cloud.cfg.d/90-own.cfg",
    "var/lib/cloud/seed/nocloud/meta-data",
    "var/lib/cloud/scripts/per-boot/own.sh",
    "home/debian/notes",
    "srv/data",
    "usr/bin/tool",
)
EMPTIED = ("etc/machine-id", "var/log/syslog", "var/log/postgresql/main.log", "var/log/wtmp")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*GONE, *KEPT, *EMPTIED, "etc/hostname"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of the source\n")
    (tmp_path / "root/etc/passwd").write_text(PASSWD)
    return tmp_path / "root"


def broom(root: Path) -> Broom:
    return Broom(str(root), frozenset({root.stat().st_dev}))


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() or path.is_symlink()}


def test_what_is_one_machines_own_goes_and_the_rest_stays(root: Path) -> None:
    seal.clean(broom(root))
    assert files(root) & set(GONE) == set()
    assert {path: (root / path).read_text() for path in KEPT} == dict.fromkeys(KEPT, "of the source\n")
    assert {path: (root / path).read_text() for path in EMPTIED} == dict.fromkeys(EMPTIED, "")
    assert (root / "etc/hostname").read_text() == "localhost\n"


def test_nothing_says_liveupdate_any_more_but_the_witness(root: Path) -> None:
    seal.clean(broom(root))
    ours = {path for path in files(root) if "liveupdate" in path}
    assert ours == {
        "usr/local/sbin/liveupdate-witness",
        "etc/systemd/system/liveupdate-witness.service",
        "etc/systemd/system/multi-user.target.wants/liveupdate-witness.service",
    }


def test_folders_keep_their_rights(root: Path) -> None:
    (root / "tmp").chmod(0o1777)
    seal.clean(broom(root))
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert list((root / "tmp").iterdir()) == []


def test_what_a_link_points_to_is_not_touched(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "key").write_text("of somebody else")
    (root / "root/.ssh/authorized_keys").unlink()
    (root / "root/.ssh").rmdir()
    (root / "root/.ssh").symlink_to(elsewhere)
    (root / "var/log/linked").symlink_to(elsewhere / "key")
    (root / "tmp/linked").symlink_to(elsewhere)
    (root / "etc/hostname").unlink()
    (root / "etc/hostname").symlink_to(elsewhere / "key")
    seal.clean(broom(root))
    assert (elsewhere / "key").read_text() == "of somebody else"
    assert not (root / "root/.ssh").is_symlink()


def test_a_shared_file_system_is_not_touched(root: Path) -> None:
    """A home on NFS is the running server's, too: every file here is of a device that is not the machine's own."""
    seal.clean(Broom(str(root), frozenset({root.stat().st_dev + 1})))
    assert {path for path in GONE if (root / path).exists()} == set(GONE)
    assert (root / "etc/machine-id").read_text() == "of the source\n"


@pytest.mark.parametrize("path", ["etc/network/interfaces", "etc/sysconfig/network-scripts/ifcfg-eth0"])
@pytest.mark.parametrize(("text", "goes"), [("# Created by cloud-init\nx\n", True), ("# by hand\n", False)])
def test_network_files_go_only_if_cloud_init_wrote_them(root: Path, path: str, text: str, goes: bool) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    seal.clean(broom(root))
    assert (root / path).exists() is not goes


def test_cut_short_anywhere_it_does_the_rest_the_next_time_and_the_guard_goes_last(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    left = iter(range(1000))
    real = os.unlink

    def unlink(path: str) -> None:
        if next(left, None) is None:
            raise Killed
        real(path)

    monkeypatch.setattr("liveupdate.guest.broom.os.unlink", unlink)
    for _ in range(1000):
        # two more are removed, then it is killed
        left = iter(range(2))
        try:
            seal.clean(broom(root))
        except Killed:
            assert (root / "etc/liveupdate-guard/original").exists()
            continue
        break
    assert files(root) & set(GONE) == set()


# -- on which machine --------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy, as it has booted: its guard's folder, and its /run/liveupdate."""
    folder = tmp_path / "guard"
    folder.mkdir()
    (folder / "original").write_text(f"{ORIGINAL}\n")
    monkeypatch.setattr(guard, "GUARD", str(folder))
    monkeypatch.setattr(guard, "uuid", lambda: COPY)
    monkeypatch.setattr(places, "ROOT", str(tmp_path / "run"))
    monkeypatch.setattr(seal, "ORDER", str(tmp_path / "run" / "seal.json"))
    monkeypatch.setattr(seal, "clean", lambda broom: pytest.fail("it must not run here"))
    monkeypatch.setattr(seal, "_quiet", lambda: pytest.fail("it must not run here"))
    return folder


def refused() -> str:
    with pytest.raises(GuestError) as told:
        seal.seal()
    return told.value.code


def test_the_copy_takes_the_order_and_only_once(machine: Path) -> None:
    assert seal.seal_prepare(ORIGINAL, COPY, WORD) == {}
    assert seal.seal_prepare(ORIGINAL, COPY, WORD) == {}
    assert json.loads(Path(seal.ORDER).read_text())["instance"] == COPY


@pytest.mark.parametrize(
    ("original", "instance", "here"),
    [
        (ORIGINAL, ORIGINAL, ORIGINAL),  # the server itself
        (ORIGINAL, COPY, ORIGINAL),
        (ORIGINAL, COPY, WORD),  # a third machine
        (WORD, COPY, COPY),  # the copy of another server
    ],
)
def test_no_other_machine_takes_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch, original: str, instance: str, here: str
) -> None:
    monkeypatch.setattr(guard, "uuid", lambda: here)
    with pytest.raises(GuestError) as told:
        seal.seal_prepare(original, instance, WORD)
    assert told.value.code == "guest.not-the-copy"
    assert refused() == "guest.not-the-copy"


def test_a_machine_without_a_guard_takes_no_order(machine: Path) -> None:
    (machine / "original").unlink()
    with pytest.raises(GuestError, match="of nobody"):
        seal.seal_prepare(ORIGINAL, COPY, WORD)


def test_without_an_order_nothing_is_sealed(machine: Path) -> None:
    assert refused() == "guest.not-the-copy"


def test_an_order_is_looked_at_again_when_it_is_carried_out(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal.seal_prepare(ORIGINAL, COPY, WORD)
    monkeypatch.setattr(guard, "uuid", lambda: ORIGINAL)
    assert refused() == "guest.not-the-copy"


@pytest.mark.parametrize("word", ["", "x; reboot", "0f7a4c1e"])
def test_the_last_word_is_a_uuid(machine: Path, word: str) -> None:
    with pytest.raises(GuestError) as told:
        seal.seal_prepare(ORIGINAL, COPY, word)
    assert told.value.code == "guest.bad-order"


def test_the_last_word_comes_when_all_is_done_and_then_it_halts(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seal.seal_prepare(ORIGINAL, COPY, WORD)
    done: list[str] = []
    console = tmp_path / "console"
    console.touch()
    monkeypatch.setattr(seal, "CONSOLE", str(console))
    monkeypatch.setattr(seal, "clean", lambda broom: done.append(f"clean {console.read_text()}"))
    monkeypatch.setattr(seal, "_quiet", lambda: done.append("quiet"))
    monkeypatch.setattr(seal, "mounts", lambda: [{"where": "/", "device": "/dev/vda1"}])
    monkeypatch.setattr(seal, "run", lambda argv: done.append(f"{' '.join(argv)}"))
    # cut short at the very end, in the same boot
    (machine / "original").unlink()
    seal.seal()
    assert done == ["quiet", "clean ", "systemctl --force halt"]
    assert f"\nliveupdate: sealed {WORD}\n" in console.read_text()


# -- the witness -------------------------------------------------------------------------------------------------------


def test_a_new_server_tells_who_it_is_once_and_keeps_nothing(root: Path) -> None:
    seal.clean(broom(root))
    key = "ssh-ed25519 " + "B" * 68
    (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text(f"{key} root@new\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    for path in ("dev/disk/by-id/virtio-123", "dev/disk/by-uuid/aaaa-bbbb", "dev/console", "dmi"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / "dmi").write_text(f"{COPY.upper()}\n")
    script = (
        (root / witness.SCRIPT).read_text().replace("sleep", "true sleep").replace("> /dev/console", ">> /dev/console")
    )
    for folder in ("/etc/", "/dev/", "/usr/local/"):
        script = script.replace(folder, f"{root}{folder}")
    script = script.replace("/sys/class/dmi/id/product_uuid", f"{root}/dmi")
    done = subprocess.run(["/bin/sh", "-eu", "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    seen = heard((root / "dev/console").read_text())
    assert seen is not None
    assert (seen.kernel, seen.server_id, seen.host_key) == (os.uname().release, COPY, key)
    assert seen.machine_id == provenance.hashed(str(root / "etc/machine-id"))
    assert ("virtio-123" in seen.disks, seen.filesystems) == (True, frozenset({"aaaa-bbbb"}))
    assert not [path for path in files(root) if "liveupdate" in path]


def test_file_systems_are_told_by_the_stable_names_of_their_disks(tmp_path: Path) -> None:
    (tmp_path / "vdb").touch()
    for name, target in {"by-id/virtio-1": "vdb", "by-id/virtio-2": "gone", "by-uuid/aaaa": "vdb"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / target)
    assert provenance.filesystems(str(tmp_path)) == {"virtio-1": ["aaaa"]}
