"""Take away what only served the update, and prove by the ledger that nothing else is left.

The in-guest program and what it made go first, then the mirror's snapshot. The fallback stays for its days, unless
the job says 0 (docs/decisions/0001). Whatever line of the ledger is open after that is a leftover: named, not hidden.
After the pivot, hence no undo. The job's trust ends with the job (worker/reaper.py).
"""

from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.steps.fallback import roles
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import exists, unmake, wait


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    guest = context.guest("surrogate")
    guest.agent().call("finish")
    guest.remove_agent()
    unmake(context, "snapshot", "mirror")
    days = context.job.parameters.get("keep_fallback_days")
    if (context.settings.surrogate.fallback_days if days is None else days) > 0:
        _keep_fallback(context)
    else:
        _drop_fallback(context)
    if leftovers := _leftovers(context):
        raise Failed(
            f"left behind: {', '.join(leftovers)}",
            code="live-update.clean-up.leftovers",
            remedy="delete what is named, or find out why it cannot be deleted, then retry the job",
        )
    return {"leftovers": []}


def undo(context: StepContext) -> None:
    """What served the update only is of no use to what was before it."""


def _keep_fallback(context: StepContext) -> None:
    for role in roles(context):
        if line := context.ledger.find("snapshot", role):
            context.ledger.kept(line)


def _drop_fallback(context: StepContext) -> None:
    """Delete the snapshots, and the old boot volume if it was to die with its server."""
    for role in roles(context):
        unmake(context, "snapshot", role)
    boot = next(v for v in context.result("preflight")["server"]["volumes"] if v["boot"])
    volumes = context.user_cloud().volumes
    old = volumes.get(boot["id"]) if boot["delete_on_termination"] else None
    if old and not old.servers:
        volumes.delete(old.id)
        wait(context, lambda: volumes.get(old.id) is None or None, "the old boot volume to be gone")


def _leftovers(context: StepContext) -> list[str]:
    left = []
    for line in context.ledger.open():
        if exists(context, line):
            left.append(f"{line.kind} {line.name} {line.cloud_id}".rstrip())
        else:
            context.ledger.deleted(line)
    return left


STEP = Step("clean_up", "Clean up", probe, apply, undo)
