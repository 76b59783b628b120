"""Look whether the server can be brought back from its fallback, and gather what the later steps need.

Plays the preflight's part: its result has the same "server". Changes nothing; also serves previews.
"""

from typing import Any

from liveupdate.errors import Failed
from liveupdate.model import JobKind, Json, Verdict
from liveupdate.planning.checks import refusal, worst
from liveupdate.planning.restore_findings import RestoreFacts, judge
from liveupdate.steps.inspect_fallback import look, parts
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.server_facts import describe


def probe(context: StepContext) -> Probe:
    """Facts grow old: they are gathered anew."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    cloud, parameters = context.service_cloud(), context.job.parameters
    server = cloud.servers.get(context.job.server_id)
    # the service user sees every project: another one's server does not exist for this job
    if server is None or server.project_id != context.job.project_id:
        raise Failed(
            f"there is no server {context.job.server_id}",
            user_fault=True,
            code="live-update.server.gone",
            remedy="boot a server from a volume of the fallback's snapshot by hand",
        )
    found = {part.cloud_id: look(cloud, part) for part in parts(context)}
    facts = RestoreFacts(
        server=describe(cloud, server),
        parts=parts(context),
        statuses={identifier: part.status if part else "" for identifier, part in found.items()},
        quota_left=cloud.quotas.left(context.job.project_id),
        made_at=parameters["made_at"],
        data_volumes=parameters["data_volumes"],
    )
    findings = judge(facts)
    result: dict[str, Any] = {"server": facts.server, "verdict": str(worst(findings))}
    result["findings"] = [f.as_json() for f in findings]
    if worst(findings) == Verdict.BLOCK and context.job.kind == JobKind.UPDATE:
        context.event("preflight.blocked", findings=result["findings"])
        raise refusal(findings)
    return result


def undo(context: StepContext) -> None:
    """Nothing was changed."""


STEP = Step("check_restore", "Check the server and its fallback", probe, apply, undo, part="preflight")
