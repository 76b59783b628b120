"""Wherever a server's disks lie, it is updated under load: nothing lost, no connection broken, nothing left behind."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import apt_source
from lab.demo import inventory, jobs, servers
from lab.demo.clients import run_client
from lab.settings import PATIENCE

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-storage"
UNITS = [{"name": "kv.service"}, {"name": "tick.service"}]


@contextmanager
def running(user: Any, **disks: Any) -> Iterator[servers.Guest]:
    """A server with kv on its data volume and tick on its last one, or on the root disk if it has no more."""
    _clean(user)
    try:
        guest = servers.boot(user, NAME, image="debian-12-pending", **disks)
        assert guest.kernel != apt_source.kernel()
        if guest.more_volume_ids:
            # acknowledged means written to the volume, by each of the two
            where = f"/srv/{len(guest.more_volume_ids)}/tick.log"
            guest.ssh(f"touch {where} && ln -sf {where} /var/log/tick.log")
        servers.start(guest, "kv", "tick", megabytes=20)
        guest.ssh("redis-cli config set auto-aof-rewrite-percentage 0 appendfsync always appendonly yes")
        rewritten = "redis-cli info persistence | grep -q aof_rewrite_in_progress:0 && echo yes"
        servers.wait_for(lambda: guest.ssh(rewritten, check=False) == "yes", PATIENCE, "kv's log on its volume")
        yield guest
    finally:
        _clean(user)


def _clean(user: Any) -> None:
    servers.clean_fallbacks(user)
    servers.clean(user, NAME)


def updated_under_load(api: Any, user: Any, admin: Any, guest: servers.Guest) -> dict[str, Any]:
    """The job's report, once its server has been updated while clients wrote all the time."""
    before = inventory.take(admin)
    clients = [run_client(kind, guest.address) for kind in ("kv", "tick")]
    try:
        job = jobs.create(api, guest.id, units=UNITS, keep_fallback_days=0, blackout_budget_seconds=120)
        ended = jobs.until_ended(api, job)
    finally:
        found = {client.kind: client.stop() for client in clients}
    assert ended["state"] == "succeeded", ended["reason"]
    assert {kind: (told.errors, told.lost) for kind, told in found.items()} == dict.fromkeys(found, ([], 0))
    assert int(guest.ssh("wc -l < /var/log/tick.log")) >= found["tick"].writes
    assert guest.ssh("uname -r") == apt_source.kernel()
    assert inventory.left_behind(admin, before, jobs.kept(api, job)) == []
    return jobs.report(api, job)


def test_a_server_made_from_an_image_is_updated(api: Any, user: Any, admin: Any) -> None:
    with running(user, root_type=None) as guest:
        # deleted, renamed and linked while Nova copies the disk, or before, or after
        guest.ssh("mkdir -p /root/churn && setsid -f sh -c '" + _CHURN + "' >/dev/null 2>&1 </dev/null")
        told = updated_under_load(api, user, admin, guest)
        images = {v["role"]: v for v in told["volumes"] if v["kind"] == "image"}
        assert set(images) == {"fallback", "mirror"}
        for image in images.values():
            assert (image["size"], image["type"], image["state"]) == (3, "local", "deleted")
            assert image["seconds"] > 0
        assert images["mirror"]["bytes"] > 100 << 20
        assert guest.ssh(_WHOLE) == "whole"


@pytest.mark.parametrize("plain", ["ceph", "nfs"])
def test_a_multiattach_volume_costs_less_of_the_blackout_than_a_plain_one(
    api: Any, user: Any, admin: Any, plain: str
) -> None:
    with running(user, more_types=(plain,)) as guest:
        told = updated_under_load(api, user, admin, guest)
        assert int(guest.ssh("cat /data/redis/appendonlydir/*.incr.aof | wc -c")) > 10_000
        attached = {a.volume_id for a in user.compute.volume_attachments(servers.id_of(user, NAME))}
        assert {guest.data_volume_id, *guest.more_volume_ids} <= attached
        shared, brought = (next(h for h in told["handovers"] if h["volume_id"] == v) for v in _data(guest))
        assert (shared["way"], brought["way"]) == ("multiattach", "detach-attach")
        print(f"the disk's part of the blackout: multiattach {shared['disk_ms']} ms, {plain} {brought['disk_ms']} ms")
        assert shared["disk_ms"] < brought["disk_ms"], told["handovers"]


def test_no_file_system_is_ever_mounted_on_both_sides(api: Any, user: Any, admin: Any) -> None:
    with running(user) as guest:
        clients = [run_client(kind, guest.address) for kind in ("kv", "tick")]
        asked = {"confirm": True, "keep_fallback_days": 0, "blackout_budget_seconds": 120}
        job = jobs.create(api, guest.id, units=UNITS, **asked)
        jobs.until_step(api, job, "pre_copy")
        assert_cannot_write(jobs.shell(user, guest, job, "surrogate"), guest.data_volume_id)
        servers.wait_for(lambda: jobs.show(api, job)["step"] == "hold", 6 * PATIENCE, "the hold")
        original = jobs.shell(user, guest, job, "management")
        assert_cannot_write(original, guest.data_volume_id)
        before = original("cat /proc/sys/kernel/random/boot_id")
        original("systemctl reboot")
        servers.wait_for(lambda: _boot_id(original) not in ("", before), PATIENCE, "the original's restart")
        assert original("systemctl is-active kv data.mount; true") == "inactive\ninactive"
        assert_cannot_write(original, guest.data_volume_id)
        jobs.act(api, job, "confirm")
        ended = jobs.until_ended(api, job)
        found = {client.kind: client.stop() for client in clients}
        assert ended["state"] == "succeeded", ended["reason"]
        assert {kind: (told.errors, told.lost) for kind, told in found.items()} == dict.fromkeys(found, ([], 0))
        device = f"/dev/disk/by-id/virtio-{guest.data_volume_id[:20]}"
        assert guest.ssh(f"touch /data/written && cat /sys/class/block/$(basename $(readlink -f {device}))/ro") == "0"
        guest.ssh(f"systemctl stop kv && umount /data && e2fsck -fn {device}")


def held(api: Any, guest: servers.Guest) -> str:
    """A job that waits for the operator's word: the workload is on the surrogate."""
    asked = {"confirm": True, "keep_fallback_days": 0, "blackout_budget_seconds": 120}
    job = jobs.create(api, guest.id, units=UNITS, **asked)
    servers.wait_for(lambda: jobs.show(api, job)["step"] == "hold", 6 * PATIENCE, "the hold")
    return job


@pytest.mark.parametrize("running_again", [True, False], ids=["its units run again", "a unit does not run"])
def test_a_rollback_after_the_surrogate_was_restarted_in_hold_serves_from_the_original(
    api: Any, user: Any, admin: Any, *, running_again: bool
) -> None:
    with running(user, data_type="ceph") as guest:
        before = inventory.take(admin)
        job = held(api, guest)
        surrogate = jobs.shell(user, guest, job, "surrogate")
        surrogate("echo there > /data/word && sync /data/word")
        boot = _boot_id(surrogate)
        surrogate("systemctl reboot")
        servers.wait_for(lambda: _boot_id(surrogate) not in ("", boot), PATIENCE, "the surrogate's restart")
        servers.wait_for(
            lambda: jobs.show(api, job)["code"] == "live-update.hold.restarted", PATIENCE, "the word of it"
        )
        servers.wait_for(
            lambda: surrogate("systemctl is-active kv tick; true") == "active\nactive", PATIENCE, "its units"
        )
        if not running_again:
            surrogate("systemctl stop kv")
        jobs.act(api, job, "rollback")
        ended = jobs.until_ended(api, job)
        assert ended["state"] == "undone", jobs.told(api, job)
        assert (servers.id_of(user, NAME), guest.ssh("uname -r")) == (guest.id, guest.kernel)
        assert guest.ssh("systemctl is-active kv tick") == "active\nactive"
        assert guest.ssh("redis-cli ping; cat /data/word") == "PONG\nthere"
        assert inventory.left_behind(admin, before, jobs.kept(api, job)) == []


def test_a_workload_whose_surrogate_somebody_deletes_starts_anew_on_the_original_as_the_job_tells_a_person(
    api: Any, user: Any, admin: Any
) -> None:
    with running(user, data_type="ceph") as guest:
        before = inventory.take(admin)
        job = held(api, guest)
        surrogate, original = (jobs.shell(user, guest, job, role) for role in ("surrogate", "management"))
        surrogate("echo there > /data/word && sync /data/word")
        made = jobs.surrogate(api, job)
        user.compute.delete_server(made)
        ended = jobs.until_ended(api, job)
        assert (ended["state"], ended["code"]) == ("undo_failed", "live-update.cut-over.lost-while-away")
        assert f"see that {made} does not run on" in ended["remedy"]
        told = re.search(r"rm (\S+), reboot it from inside, and ip address add (\S+) dev", ended["remedy"])
        assert told, ended["remedy"]
        boot = _boot_id(original)
        assert original("systemctl is-active kv tick; true") == "inactive\ninactive"
        original(f"rm {told[1]} && systemctl reboot")
        servers.wait_for(lambda: servers.boot_id(guest) not in ("", boot), PATIENCE, "the original's restart")
        guest.ssh(f"ip address add {told[2]} dev $(ip -o -4 address show to {guest.address} | cut -d ' ' -f 2)")
        jobs.act(api, job, "retry")
        assert jobs.until_ended(api, job)["state"] == "undone", jobs.told(api, job)
        # its own reboot brought the pending kernel
        assert (servers.id_of(user, NAME), guest.ssh("uname -r")) == (guest.id, apt_source.kernel())
        assert guest.ssh("systemctl is-active kv tick; redis-cli ping; cat /data/word") == "active\nactive\nPONG\nthere"
        assert len(guest.ssh("ip -4 -o address show scope global").splitlines()) == 1
        assert inventory.left_behind(admin, before, set()) == []


def assert_cannot_write(run: Callable[[str], str], volume_id: str) -> None:
    """By no means that an administrator of the guest would think of."""
    device = f"/dev/disk/by-id/virtio-{volume_id[:20]}"
    attempts = (
        f"mount {device} /mnt",
        f"mount -t ext4 -o rw {device} /mnt",
        "mount -o rw LABEL=data /mnt",
        "systemctl start data.mount",
        "systemctl start kv.service",
        f"dd if=/dev/zero of={device} bs=4096 count=1 seek=100 conv=notrunc oflag=direct",
    )
    for attempt in attempts:
        assert run(f"{attempt} >/dev/null 2>&1 && echo done || echo refused") == "refused", attempt
        assert run(f"findmnt -n -S {device} || findmnt -n /data; true") == "", attempt


def _boot_id(run: Callable[[str], str]) -> str:
    try:
        return run("cat /proc/sys/kernel/random/boot_id")
    except (RuntimeError, subprocess.TimeoutExpired):
        return ""


def _data(guest: servers.Guest) -> tuple[str, str]:
    return guest.data_volume_id, guest.more_volume_ids[0]


#: Not moved, it runs until the original stops; what it did a second before the last look at the files is to be there.
_CHURN = (
    "cd /root/churn; n=0; while sleep 0.2; do n=$((n+1)); mkdir d$n; echo $n > d$n/file; ln d$n/file d$n/link; "
    "mv d$n e$n; rm -rf e$((n-20)); echo $n > next; mv next count; done"
)
_WHOLE = (
    "cd /root/churn && n=$(cat count) && [ $n -gt 100 ] && for e in $(seq $((n-19)) $((n-5))); do "
    "[ $(stat -c %h e$e/file) = 2 ] && [ $(cat e$e/link) = $e ] || exit 1; done && "
    "for e in e*; do [ ${e#e} -gt $((n-25)) ] || exit 1; done && echo whole"
)
