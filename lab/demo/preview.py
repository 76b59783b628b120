"""``python -m lab.demo.preview``: what an update of a busy server would meet, found out without touching it.

Expects the lab up. Boots a server whose units are of all kinds, asks the REST API for a preview under the eyes of a
client with one open connection, and prints the findings. Exit code 1 if the preview did not end, or was felt.
"""

import sys
import time
from typing import Any

import openstack
from rich.console import Console
from rich.table import Table

from lab.demo import inventory, servers, service
from lab.demo.clients import run_client
from lab.settings import PATIENCE

NAME = "preview-server"
#: One that can be moved, and one whose sandboxing does not let it.
UNITS = ("tick", "redis-server")
ENDED = {"succeeded", "undone", "cancelled", "undo_failed", "needs_attention"}


def preview(api: Any, server_id: str) -> dict[str, Any]:
    """Create a preview and wait for its end."""
    body = {"preview": {"method": "surrogate", "server_id": server_id}}
    made = api.post("/v1/previews", json=body).json()["preview"]
    return servers.wait_for(lambda: _ended(api, made["id"]), PATIENCE, "the preview's end")


def _ended(api: Any, identifier: str) -> dict[str, Any]:
    """The preview at its end; {} as long as it is under way."""
    found: dict[str, Any] = api.get(f"/v1/previews/{identifier}").json()["preview"]
    return found if found["state"] in ENDED else {}


def show(console: Console, found: dict[str, Any]) -> None:
    table = Table("verdict", "code", "about", "detail", "remedy", title="findings", title_justify="left")
    for finding in sorted(found["findings"], key=lambda f: ["block", "warn", "ok"].index(f["verdict"])):
        table.add_row(*(finding[key] for key in ("verdict", "code", "subject", "detail", "remedy")))
    console.print(table)
    for unit in found["units"]:
        console.print(f"{unit['name']}: {unit['handover']}  {unit['reason']}")
    console.print(f"verdict {found['verdict']}, blackout estimated at {found['blackout_estimate_ms']} ms")


def main() -> int:
    console = Console()
    user, admin = openstack.connect(cloud="demo"), openstack.connect(cloud="admin")
    service.start()
    console.print("booting a server with its workload …")
    started = time.monotonic()
    with servers.running(user, NAME, *UNITS) as guest:
        console.print(f"{guest.name} at {guest.address} after {time.monotonic() - started:.0f} s")
        before, client = inventory.take(admin), run_client("tick", guest.address)
        found = preview(service.api(user), guest.id)
        findings = client.stop()
        left = inventory.left_behind(admin, before, set())
    show(console, found)
    felt = f"{findings.writes} writes, {findings.lost} lost, {len(findings.errors)} errors"
    console.print(f"the client: {felt}, longest gap {findings.longest_gap_ms:.0f} ms")
    console.print(f"left in the cloud: {', '.join(left) or 'nothing'}")
    fine = found["state"] == "succeeded" and not findings.errors and not findings.lost and not left
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
