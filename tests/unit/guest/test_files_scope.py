"""What of the root disk belongs to the workload."""

from __future__ import annotations

from pathlib import Path

import pytest

from liveupdate.guest.errors import GuestError
from liveupdate.guest.scan import Entry, scan
from liveupdate.guest.scope import Scope


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(
        tmp_path,
        "var/lib/dpkg/info/app.list",
        "/.\n/etc\n/etc/app\n/etc/app/app.conf\n/etc/app/data\n/etc/app/old.conf\n/opt/app/bin\n/usr/bin/app\n",
    )
    put(tmp_path, "var/lib/dpkg/info/app.conffiles", "/etc/app/app.conf\nremove-on-upgrade /etc/app/old.conf\n")
    put(tmp_path, "var/lib/dpkg/diversions", "/etc/tool\n/etc/tool.real\napp\n")
    put(tmp_path, "etc/fstab", "UUID=1 / ext4 defaults 0 1\n/srv/swap\\040file none swap sw 0 0\n")
    return tmp_path


def put(root: Path, name: str, content: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def seen(scope: Scope) -> set[str]:
    entries = map(Entry.of, scan(scope))
    return {entry.path.decode() for entry in entries if scope.covers(entry.path, entry.kind == b"d")}


@pytest.mark.parametrize(
    "path",
    [
        "etc/hosts", "etc/fstab", "etc/passwd", "etc/ssh/sshd_config", "home/user/.profile", "root/.ssh/config",
        "srv/data", "opt/own/file", "usr/local/bin/tool", "usr/local/share/x", "var/log/app.log", "var/lib/app/state",
        "var/spool/cron/crontabs/root", "var/tmp/upload", "var/cache/app/x", "etc/ld.so.cache", "var/log/apt/term.log",
        "var/lib/systemd/linger/user", "var/lib/systemd/timers/stamp-backup.timer",
        "var/log/journal/0123/system@0005-0006.journal", "var/log/journal/0123/user-1000@0005-0006.journal~",
        "etc/app/app.conf", "etc/app/old.conf", "etc/systemd/system/own.service",
        "etc/liveupdate/liveupdate.conf", "etc/systemd/system/liveupdate-api.service", "etc/cloud/cloud.cfg.d/5.cfg",
        "usrlocal", "tmpfile",
    ],
)  # fmt: skip
def test_carried(root: Path, path: str) -> None:
    assert Scope(root=str(root)).covers(path.encode(), False)


@pytest.mark.parametrize(
    "path",
    [
        "proc/1/stat", "sys/kernel", "dev/null", "run/app.pid", "tmp/x", "boot/vmlinuz-6.1", "vmlinuz", "initrd.img",
        "usr/bin/python3", "usr/share/doc/x", "usr/lib/modules/6.1/x", "bin", "lib64", "lost+found",
        "var/lib/dpkg/status", "var/lib/apt/lists/x", "var/cache/apt/pkgcache.bin", "var/cache/debconf/config.dat",
        "var/lib/systemd/random-seed", "var/lib/systemd/coredump/core", "var/lib/cloud/instance", "var/lib/ucf/x",
        "var/log/journal/0123/system.journal", "var/log/journal/0123/user-1000.journal",
        "etc/liveupdate-guard.conf", "etc/systemd/system/liveupdate-guard.service.d/x",
        "etc/systemd/system-generators/90-liveupdate", "etc/systemd/network/10-liveupdate-x.link",
        "etc/cloud/cloud.cfg.d/99-liveupdate.cfg", "var/lib/liveupdate/away", "var/tmp/liveupdate-x/pages",
        "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_rsa_key.pub", "etc/machine-id", "var/lib/dbus/machine-id",
        "var/lib/dhcp/dhclient.leases", "var/lib/NetworkManager/x", "srv/swap file", ".liveupdate/1",
        "etc/app/data", "opt/app/bin", "etc/tool", "etc/tool.real",
    ],
)  # fmt: skip
def test_left(root: Path, path: str) -> None:
    assert not Scope(root=str(root)).covers(path.encode(), False)


def test_a_directory_that_a_package_brought_is_carried(root: Path) -> None:
    scope = Scope(root=str(root))
    assert scope.covers(b"etc/app", True)
    assert scope.covers(b"etc/app/own", False)


@pytest.mark.parametrize(
    ("path", "targets"),
    [
        ("etc/ld.so.cache", True), ("etc/alternatives/editor", True), ("var/log/apt/history.log", True),
        ("var/log/dpkg.log", True), ("var/log/dpkg.log.1.gz", True), ("var/cache/man/index.db", True),
        ("var/lib/initramfs-tools/6.1", True), ("var/backups/dpkg.status.0", True),
        ("etc/passwd", False), ("var/log/app.log", False), ("etc/ld.so.conf", False), ("var/backups/own", False),
        ("srv/var/cache/x", False), ("var/cachex", False),
    ],
)  # fmt: skip
def test_the_update_s_own_writing_stays_on_the_target(root: Path, path: str, targets: bool) -> None:
    assert Scope(root=str(root)).targets(path.encode()) is targets


def test_what_the_operator_names_beats_what_is_built_in(root: Path) -> None:
    scope = Scope(["/usr/share/app", "/opt/app", "/srv/a/b"], ["/srv/a", "/usr/local/cache"], str(root))
    assert scope.covers(b"usr/share/app/x", False)
    assert scope.covers(b"opt/app/bin", False), "named: whoever owns it"
    assert scope.covers(b"srv/a/b/c", False)
    assert not scope.covers(b"usr/share/other", False)
    assert not scope.covers(b"srv/a/c", False)
    assert not scope.covers(b"usr/local/cache/x", False)


def test_an_exclusion_beats_an_inclusion_of_the_same_path(root: Path) -> None:
    assert not Scope(["/srv/a"], ["/srv/a"], str(root)).covers(b"srv/a/x", False)


@pytest.mark.parametrize("path", ["srv", "/srv/../etc", "/", "//srv", "/srv/", ""])
def test_the_operator_s_paths_are_plain(root: Path, path: str) -> None:
    for role in ("include", "exclude"):
        with pytest.raises(GuestError) as caught:
            Scope(root=str(root), **{role: [path]})
        assert caught.value.code == "guest.bad-scope"


def test_what_is_mounted_is_left_and_so_is_the_place(root: Path) -> None:
    put(root, "proc/self/mountinfo", MOUNTS)
    scope = Scope(root=str(root))
    assert not scope.covers(b"data", True)
    assert not scope.covers(b"data/x", False)
    assert not scope.covers(b"srv/bind mount/x", False)
    assert scope.covers(b"srv/bind", False)


def test_what_is_named_must_be_on_the_root_disk(root: Path) -> None:
    put(root, "proc/self/mountinfo", MOUNTS)
    with pytest.raises(GuestError) as caught:
        Scope(["/data/app"], [], str(root))
    assert caught.value.code == "guest.bad-scope"
    assert "/data" in caught.value.detail


def test_what_is_mounted_later_is_seen_by_the_next_look(root: Path) -> None:
    put(root, "data/x")
    scope = Scope(root=str(root))
    assert "data/x" in seen(scope)
    put(root, "proc/self/mountinfo", MOUNTS)
    assert "data/x" not in seen(scope)


def test_swap_files_in_use_are_left(root: Path) -> None:
    put(root, "proc/swaps", "Filename Type Size Used Priority\n/swapfile file 1 0 -2\n/dev/vdb partition 1 0 -3\n")
    assert not Scope(root=str(root)).covers(b"swapfile", False)


def test_without_dpkg_nothing_is_decided(tmp_path: Path) -> None:
    with pytest.raises(GuestError) as caught:
        Scope(root=str(tmp_path)).covers(b"etc/hosts", False)
    assert caught.value.code == "guest.no-packages"


def test_a_look_sees_everything_in_scope_and_into_nothing_else(root: Path) -> None:
    inside = {"etc/own", "usr/local/bin/tool", "var/lib/systemd/linger/user", "usr/share/app/x", "srv/deep/er/x"}
    outside = {"usr/bin/python3", "var/lib/dpkg/status", "var/lib/systemd/random-seed", "srv/left/x", "boot/vmlinuz"}
    for name in inside | outside:
        put(root, name)
    scope = Scope(["/usr/share/app"], ["/srv/left"], str(root))
    assert inside <= seen(scope)
    looked_at = {Entry.of(record).path.decode() for record in scan(scope)}
    assert not outside & looked_at


def test_a_name_may_hold_anything(root: Path) -> None:
    (root / "srv").mkdir()
    names = [b"-rf", b"new\nline", b"\xff\xfe", b"blank b", b"*?[x]", b"back\\nslash", b"(", b"n" * 255]
    for name in names:
        Path(root, "srv", name.decode("utf-8", "surrogateescape")).touch()
        Path(root, name.decode("utf-8", "surrogateescape")).touch()
    looked_at = {Entry.of(record).path for record in scan(Scope(root=str(root)))}
    assert {b"srv/" + name for name in names} <= looked_at
    assert set(names) <= looked_at


def test_a_look_that_fails_is_no_look(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did not see would be deleted on the target."""
    put(
        root,
        "tools/find",
        "#!/bin/sh\nprintf '1.0 1 f ./etc/x\\0'\necho \"find: './srv': Input/output error\" >&2\nexit 1\n",
    )
    (root / "tools/find").chmod(0o755)
    monkeypatch.setitem(scan.__globals__["ENVIRONMENT"], "PATH", f"{root}/tools:/usr/bin:/bin")
    with pytest.raises(GuestError) as caught:
        scan(Scope(root=str(root)))
    assert caught.value.code == "guest.files-unreadable"
    assert "Input/output error" in caught.value.detail


def test_a_look_that_is_killed_is_no_look(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "tools/find", "#!/bin/sh\nprintf '1.0 1 f ./etc/x\\0'\nkill -9 $$\n")
    (root / "tools/find").chmod(0o755)
    monkeypatch.setitem(scan.__globals__["ENVIRONMENT"], "PATH", f"{root}/tools:/usr/bin:/bin")
    with pytest.raises(GuestError) as caught:
        scan(Scope(root=str(root)))
    assert caught.value.code == "guest.files-unreadable"


#: / itself, a volume, and one directory shown at another place.
MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:20 / /proc rw - proc proc rw
30 22 254:16 / /data rw,relatime shared:5 - ext4 /dev/vdb rw
31 22 254:1 /var/x /srv/bind\\040mount rw,relatime shared:1 - ext4 /dev/vda1 rw
"""
