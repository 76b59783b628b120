"""Seal the copy: all that is one machine's own goes, and it halts (liveupdate/guest/seal.py); then Nova stops it.

It is a task in the guest, whose end closes every way in; what tells that it is whole is its last word on the console,
which the ledger keeps: Nova shows no console of a server that is off. Undo: nothing; the copy goes as a whole with the
steps that made it.
"""

from liveupdate.drivers.guest.tasks import Task, TaskState
from liveupdate.errors import Failed, GuestError, Retry
from liveupdate.guest import places
from liveupdate.model import Json
from liveupdate.steps.boot_copy import ROLE, SIDE
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import watch_server

_INTERVAL = 2.0
#: The kernel's last word: nothing writes to a disk any more.
_HALTED = "reboot: System halted"
_RESULT = {"sealed": True}


def probe(context: StepContext) -> Probe:
    server = context.user_cloud().servers.get(_server_id(context))
    return Probe(True, _RESULT) if server and server.status == "SHUTOFF" and _known(context) else NOT_DONE


def apply(context: StepContext) -> Json:
    servers, server_id = context.user_cloud().servers, _server_id(context)
    server = servers.get(server_id)
    if server is None or server.status == "ERROR":
        raise Failed("the copy is gone, or in error", code="live-update.capture.copy-failed", remedy="see Nova's log")
    if server.status == "SHUTOFF":
        if not _known(context):
            raise Failed(
                "the copy stopped before it was sealed",
                code="live-update.capture.not-sealed",
                remedy="capture the server anew; see the copy's host if this happens again",
            )
        return _RESULT
    if _known(context) or _heard(context):
        if not server.task_state:
            servers.stop(server_id)
        watch = watch_server(context.user_cloud(), server_id)
        raise Retry(_INTERVAL, "waits for the copy to be off", watch=watch, counts=False)
    try:
        _go_on(context)
    except GuestError as error:
        if not error.code.startswith("live-update."):
            raise Failed(error.detail, code="live-update.capture.not-sealed", remedy=error.remedy) from error
        # it does not answer any more once it is being sealed
        raise Retry(_INTERVAL, f"waits for the copy to be sealed: {error.detail}", counts=False) from error
    raise Retry(_INTERVAL, "waits for the copy to be sealed", counts=False)


def undo(context: StepContext) -> None:
    """What is not used is deleted."""


def _go_on(context: StepContext) -> None:
    """Start it, unless it runs. Raises Failed with its words if it has failed."""
    guest = context.guest(SIDE)
    task = Task(guest, "seal")
    state = task.state()
    if state == TaskState.FAILED:
        words = task.words()
        task.forget()
        raise Failed(
            f"the copy could not be sealed: {words}",
            code="live-update.capture.not-sealed",
            remedy="see the words of the copy; the server itself was not touched",
        )
    if state == TaskState.ABSENT:
        original, copy = context.result("preflight")["server"]["id"], _server_id(context)
        order = {"original_uuid": original, "instance_uuid": copy, "word": context.job.id}
        guest.oneshot("seal_prepare", order)
        task.start(["python3", places.AGENT, "seal"])


def _heard(context: StepContext) -> bool:
    """Whether the copy has said that it is sealed, and has halted; the ledger knows it then."""
    server_id, word = _server_id(context), f"liveupdate: sealed {context.job.id}"
    _, said, after = context.service_cloud().consoles.output(server_id).rpartition(word)
    line = context.ledger.find("server", ROLE)
    if line is None or not said or _HALTED not in after:
        return False
    context.ledger.created(line, server_id, {"sealed": True})
    return True


def _known(context: StepContext) -> bool:
    line = context.ledger.find("server", ROLE)
    return line is not None and "sealed" in line.details


def _server_id(context: StepContext) -> str:
    return str(context.result("boot_copy")["server_id"])


STEP = Step("seal", "Seal the copy", probe, apply, undo, timeout=1200)
