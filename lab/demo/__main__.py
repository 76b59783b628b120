"""The demonstration: one live update on a real cloud, with the proof.

``python -m lab.demo [--reboot]`` expects the lab up. It boots a server with a workload, holds connections to it,
updates its kernel through the REST API, checks every acknowledged write and everything in the cloud, prints a report
and writes it to ``lab/state/demo.json``. Exit code 1 if the proof fails.
"""

import argparse
import json
import sys
import time
from typing import Any

import openstack
from rich.console import Console

from lab import settings
from lab.demo import client, inventory, jobs, report, servers, service, watch
from lab.demo.clients import run_client
from lab.settings import PATIENCE

NAME = "demo-server"
MEGABYTES = 200
CLIENTS = ("kv", "tick")


def update(console: Console, user: Any, guest: servers.Guest) -> dict[str, Any]:
    """Create the job, show its progress until it ends, and return {"job", "steps", "report"} as the API tells them."""
    api = service.api(user)
    units = [{"name": f"{name}.service"} for name in CLIENTS]
    job = jobs.create(api, guest.id, kernel="newest", units=units)
    watch.until_done(console, api, job)
    steps = list(jobs.steps(api, job).values())
    return {"job": jobs.show(api, job), "steps": steps, "report": jobs.report(api, job)}


def log_lines_lost(guest: servers.Guest, acknowledged: int) -> int:
    """How many of tick's acknowledged writes are missing from its log on the root disk of the updated server."""
    lines = int(guest.ssh("wc -l < /var/log/tick.log"))
    return max(0, acknowledged - lines)


def reboot(user: Any, guest: servers.Guest, address: str) -> dict[str, Any]:
    """Reboot the updated server in the ordinary way under one client's eyes."""
    running = run_client("kv", address)
    running.wait_until_at_work()
    started = time.monotonic()
    server = user.compute.find_server(guest.name)
    user.compute.reboot_server(server, "SOFT")
    servers.wait_for(lambda: running.process.poll() is not None or not kv_answers(address), PATIENCE, "reboot begins")
    servers.wait_for(lambda: kv_answers(address), 2 * PATIENCE, "kv after the reboot")
    outage = (time.monotonic() - started) * 1000
    findings = running.stop()
    return {"reboot_outage_ms": round(outage), "reboot_connection_errors": len(findings.errors)}


def kv_answers(address: str) -> bool:
    """It acknowledges one write, and keeps it."""
    written: list[int] = []
    try:
        findings = client.run("kv", address, written, lambda: written.append(1), timeout=2)
    except OSError:
        return False
    return not findings.errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reboot", action="store_true", help="reboot the server afterwards, for comparison")
    arguments = parser.parse_args()
    console = Console()
    started = time.monotonic()
    user, admin = openstack.connect(cloud="demo"), openstack.connect(cloud="admin")
    service.start()
    console.print("booting a server with its workload …")
    servers.clean(user, NAME)
    servers.clean_fallbacks(user)
    guest = servers.boot(user, NAME)
    servers.start(guest, *CLIENTS, megabytes=MEGABYTES)
    console.print(f"{guest.name} at {guest.address} runs {guest.kernel}, {MEGABYTES} MB in memory; clients connect")
    before = inventory.take(admin)
    clients = [run_client(kind, guest.address) for kind in CLIENTS]
    try:
        told = update(console, user, guest)
        time.sleep(2)  # a look at the workload after the job's end, not only until then
    finally:
        findings = {c.kind: c.stop() for c in clients}
    after = inventory.take(admin)
    proof = report.assemble(told, findings, inventory.compare(before, after), guest.kernel)
    if servers.answers(guest.address, guest.host_key):
        proof["kernel_after"] = guest.ssh("uname -r")
        proof["writes_lost"] += log_lines_lost(guest, findings["tick"].writes)
    else:
        proof["errors"].append("the server does not answer ssh")
    if arguments.reboot and report.proven(proof):
        proof |= reboot(user, guest, guest.address)
    proof["total_seconds"] = round(time.monotonic() - started, 1)
    (settings.STATE / "demo.json").write_text(json.dumps(proof, indent=1))
    report.show(console, proof)
    return 0 if report.proven(proof) else 1


if __name__ == "__main__":
    sys.exit(main())
