"""What the steps that check have in common: the server that they look at, and what becomes of their findings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from liveupdate.errors import Failed
from liveupdate.model import Finding, JobKind, Verdict
from liveupdate.planning.checks import refusal, worst
from liveupdate.steps.protocol import StepContext

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server


def own_server(context: StepContext) -> "Server":
    """The job's server. Raises Failed if its project has none by that id."""
    server = context.service_cloud().servers.get(context.job.server_id)
    # the service user sees every project: another one's server does not exist for this job
    if server is None or server.project_id != context.job.project_id:
        raise Failed(
            f"there is no server {context.job.server_id}",
            user_fault=True,
            code="live-update.server.gone",
            remedy="name a server that exists",
        )
    return server


def concluded(context: StepContext, findings: Sequence[Finding]) -> dict[str, Any]:
    """{"verdict", "findings"} as JSON. Raises Failed if one blocks a job; a preview just tells it."""
    told: dict[str, Any] = {"verdict": str(worst(findings)), "findings": [f.as_json() for f in findings]}
    if worst(findings) == Verdict.BLOCK and context.job.kind == JobKind.UPDATE:
        context.event("preflight.blocked", findings=told["findings"])
        raise refusal(findings)
    return told
