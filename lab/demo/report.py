"""The demo's proof: assembled from what the API tells, what the clients saw and what the cloud holds; and shown."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lab.demo.client import Findings
from lab.demo.inventory import Change, leftovers


def assemble(told: dict[str, Any], clients: dict[str, Findings], change: Change, kernel: str) -> dict[str, Any]:
    """The keys of demo.json. ``told``: the API's job, steps and report."""
    report = told["report"]
    kept = {r["cloud_id"] for r in report["resources"]["kept"]}
    return {
        "state": told["job"]["state"],
        "reason": told["job"]["reason"],
        "kernel_before": kernel,
        "kernel_after": "",
        "units": [{"name": u["name"], "handover": u["handover"]} for u in report["units"]],
        "writes_acknowledged": sum(f.writes for f in clients.values()),
        "writes_lost": sum(f.lost for f in clients.values()),
        "connection_errors": sum(len(f.errors) for f in clients.values()),
        "errors": [e for f in clients.values() for e in f.errors],
        "blackout_client_ms": max(f.longest_gap_ms for f in clients.values()),
        "blackout_clients_ms": {kind: f.longest_gap_ms for kind, f in clients.items()},
        "blackout_service_ms": report["blackout_ms"],
        "blackout_estimate_ms": report["blackout_estimate_ms"],
        "timeline": report["timeline"],
        "bytes": report["bytes"],
        "steps": [{"name": s["id"], "seconds": s["seconds"]} for s in told["steps"]],
        "resources_created": len(report["resources"]["created"]),
        "resources_deleted": len(report["resources"]["deleted"]),
        "resources_kept": [f"{r['kind']} {r['role']}" for r in report["resources"]["kept"]],
        "leftovers": leftovers(change, kept) + [str(x) for x in report["resources"]["leftovers"]],
    }


def proven(proof: dict[str, Any]) -> bool:
    return bool(
        proof["state"] == "succeeded"
        and proof["kernel_before"] != proof["kernel_after"]
        and proof["writes_acknowledged"] > 0
        and not proof["writes_lost"]
        and not proof["connection_errors"]
        and not proof["errors"]
        and not proof["leftovers"]
    )


def show(console: Console, proof: dict[str, Any]) -> None:
    table = Table(title="live update", show_header=False, title_justify="left")
    table.add_row("result", escape(f"{proof['state']} {proof['reason']}"))
    table.add_row("kernel", f"{proof['kernel_before']} → {proof['kernel_after']}")
    table.add_row("units", ", ".join(f"{u['name']} ({u['handover']})" for u in proof["units"]))
    table.add_row("blackout, client", f"{proof['blackout_client_ms'] / 1000:.2f} s")
    table.add_row("blackout, service", _seconds(proof["blackout_service_ms"]))
    table.add_row("estimate", _seconds(proof["blackout_estimate_ms"]))
    table.add_row("acknowledged writes", f"{proof['writes_acknowledged']} checked, {proof['writes_lost']} lost")
    table.add_row("connection errors", str(proof["connection_errors"]))
    table.add_row("bytes moved", f"{proof['bytes'] / 1e6:.1f} MB")
    table.add_row("resources", f"{proof['resources_created']} created, {proof['resources_deleted']} deleted")
    table.add_row("kept", ", ".join(proof["resources_kept"]) or "nothing")
    table.add_row("leftovers", ", ".join(proof["leftovers"]) or "0")
    if "reboot_outage_ms" in proof:
        errors = proof["reboot_connection_errors"]
        table.add_row("an ordinary reboot", f"{proof['reboot_outage_ms'] / 1000:.1f} s, {errors} connection errors")
    table.add_row("total", f"{proof['total_seconds']:.0f} s")
    console.print(table)
    steps = Table(title="time per step", show_header=False, title_justify="left")
    for step in proof["steps"]:
        steps.add_row(step["name"], _seconds(step["seconds"] and step["seconds"] * 1000))
    console.print(steps)
    blackout = Table(title="the blackout", show_header=False, title_justify="left")
    for moment in proof["timeline"]:
        blackout.add_row(escape(moment["name"]), _seconds(moment["ms"]))
    console.print(blackout)
    if proof["errors"]:
        console.print("\n".join(proof["errors"]), markup=False)
    console.print("[bold green]proven[/]" if proven(proof) else "[bold red]NOT proven[/]")


def _seconds(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.2f} s"
