"""Look whether the server can be captured as an image, and gather what the later steps need.

Plays the preflight's part: its result has the same "server" and "guest". Changes nothing; also serves previews.
"""

from typing import Any

from liveupdate.drivers.cloud import host_keys
from liveupdate.errors import GuestError
from liveupdate.model import Finding, Json, Verdict
from liveupdate.planning import boot_set
from liveupdate.planning.capture_findings import CaptureFacts, chosen, judge, judge_guest, left_behind
from liveupdate.planning.checks import worst
from liveupdate.steps.checking import concluded, own_server
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.server_facts import describe

_TOLD = ("id", "name", "boot", "size", "type", "serial", "device")


def probe(context: StepContext) -> Probe:
    """Facts grow old: they are gathered anew."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    cloud, server, wanted = context.service_cloud(), own_server(context), context.job.parameters["volumes"]
    described, host_key = describe(cloud, server), host_keys.pinned(cloud, server)
    result: dict[str, Any] = {"server": described, "host_key": host_key, "guest": {}, "units": []}
    facts = CaptureFacts(described, wanted, cloud.quotas.left(context.job.project_id), host_key)
    findings = judge(facts)
    if worst(findings) != Verdict.BLOCK:
        inside = _look_into_guest(context, result)
        # the guest has told which volumes its operating system lies on
        findings = judge(facts) + inside
    result["captured"] = [{key: v[key] for key in _TOLD} for v in chosen(described, wanted)]
    return result | concluded(context, findings)


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def _look_into_guest(context: StepContext, result: dict[str, Any]) -> list[Finding]:
    """Fill in guest; one that cannot be looked into is a finding, not an error."""
    guest = context.guest("original")
    try:
        result["guest"] = guest.oneshot("inspect", {})
        guest.remove_agent()
    except GuestError as error:
        return [Finding(error.code, Verdict.BLOCK, error.detail, error.remedy or "see that ssh to the server works")]
    server = result["server"]
    server["volumes"] = boot_set.decide(server["volumes"], result["guest"])
    wanted = context.job.parameters["volumes"]
    return [*judge_guest(result["guest"], server["id"]), *left_behind(server, result["guest"], wanted)]


STEP = Step("check_capture", "Check the server that is to be captured", probe, apply, undo, part="preflight")
