"""Wherever a server's disks lie, it is updated under load: nothing lost, no connection broken, nothing left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.demo import inventory, jobs, servers
from lab.demo.clients import run_client

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-storage"
IMAGE, OLD, NEW = "debian-12-pending", "6.1.0-50-cloud-amd64", "6.1.0-56-cloud-amd64"
UNITS = [{"name": "kv.service"}, {"name": "tick.service"}]


@contextmanager
def running(user: Any, **disks: Any) -> Iterator[servers.Guest]:
    """A server with kv on its data volume and tick on its last one, or on the root disk if it has no more."""
    _clean(user)
    try:
        guest = servers.boot(user, NAME, image=IMAGE, **disks)
        assert guest.ssh("uname -r") == OLD
        if guest.more_volume_ids:
            where = f"/srv/{len(guest.more_volume_ids)}/tick.log"
            guest.ssh(f"touch {where} && ln -sf {where} /var/log/tick.log")
        servers.start(guest, "kv", "tick", megabytes=20)
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
        ended = jobs.until_ended(api, job, 1800)
    finally:
        found = {client.kind: client.stop() for client in clients}
    assert ended["state"] == "succeeded", ended["reason"]
    assert {kind: (told.errors, told.lost) for kind, told in found.items()} == dict.fromkeys(found, ([], 0))
    assert int(guest.ssh("wc -l < /var/log/tick.log")) >= found["tick"].writes
    assert guest.ssh("uname -r") == NEW
    told = jobs.report(api, job)
    kept = {line["cloud_id"] for line in told["resources"]["kept"]}
    assert inventory.left_behind(admin, before, kept) == []
    return told


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
