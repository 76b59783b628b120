"""Ask the workload how it is, behind the fence. If it is not well, everything goes back. It only looks: no undo."""

from collections.abc import Iterable
from typing import Any

from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.planning import move
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    target = move.sides(context.spec.parameters).target
    told = context.guest(target).agent().call("probe", timeout=60)
    if sick := not_well(told):
        raise Failed(
            f"not well on the {target}: {'; '.join(sick)}",
            code="live-update.probe.not-well",
            remedy="see the unit's journal, correct its health checks or hand it over by restart",
        )
    return {"units": told.get("units", {})}


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def stopped(context: StepContext, side: str, units: Iterable[str]) -> list[str]:
    """Those of ``units`` that systemd does not run there, whatever the guest's program knows."""
    guest = context.guest(side)
    return [unit for unit in units if guest.run(["systemctl", "is-active", "--quiet", unit], check=False).code]


def not_well(told: dict[str, Any]) -> list[str]:
    """Each check that failed, for a person."""
    return [
        f"{name}: {check.get('kind')} {check.get('what')}: {check.get('detail')}"[:300]
        for name, unit in sorted(told.get("units", {}).items())
        for check in unit.get("checks", ())
        if not check.get("ok")
    ]


STEP = Step("probe", "Ask the workload how it is", probe, apply, undo, attempts=1)
