"""Upgrade packages in place on the updated server, as asked; tell what the whole update has changed of them, and which
processes still run old code.

No service is restarted by maintainer scripts: the workload stays as it was moved. After the pivot, hence no undo.
"""

from typing import TYPE_CHECKING, Any

from liveupdate.drivers.guest import packages
from liveupdate.drivers.guest.tasks import Task, TaskState
from liveupdate.errors import Retry
from liveupdate.model import Json
from liveupdate.planning import package_changes
from liveupdate.steps.gone import unless_gone
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.update import PACKAGES

if TYPE_CHECKING:
    from liveupdate.drivers.guest import Guest

_INTERVAL = 3.0


def probe(context: StepContext) -> Probe:
    """apt finds by itself what is done."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    wanted = context.job.parameters.get("packages") or []
    with unless_gone(context, "surrogate"):
        return _upgrade(context.guest("surrogate"), wanted)
    return {"packages": wanted, "failed": "the server was deleted meanwhile", "changed": None, "stale": []}


def undo(context: StepContext) -> None:
    """After the pivot: never called."""


def _upgrade(guest: "Guest", wanted: list[str] | str) -> Json:
    failed = ""
    if wanted:
        argv = packages.upgrade_all() if wanted == "all" else packages.install(wanted)
        failed = _finish(guest, packages.quietly(argv))
    stale = guest.oneshot("stale", {}).get("processes", [])
    return {"packages": wanted, "failed": failed, "changed": _changed(guest), "stale": stale[:200]}


def _changed(guest: "Guest") -> list[dict[str, Any]] | None:
    """None if an update by an older release has not noted what there was."""
    before = guest.run(["cat", PACKAGES], check=False)
    return package_changes.changes(before.stdout, packages.listing(guest)) if before.code == 0 else None


def _finish(guest: "Guest", argv: tuple[str, ...]) -> str:
    """ "" when the upgrade is done; what apt said when it failed: the update stands, a person sees to the packages."""
    task = Task(guest, "user-space")
    state = task.state()
    if state == TaskState.DONE:
        task.forget()
        return ""
    if state == TaskState.FAILED:
        words = task.words()
        task.forget()
        return words or "apt-get failed"
    if state == TaskState.ABSENT:
        task.start(argv)
    raise Retry(_INTERVAL, "waits for the packages to be upgraded", counts=False)


STEP = Step("user_space", "Upgrade packages in place", probe, apply, undo, timeout=7200, skippable=True)
