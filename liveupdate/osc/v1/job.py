"""``openstack live update job …``"""

import argparse
from typing import Any

from osc_lib.command import command
from osc_lib.exceptions import CommandError

from liveupdate.osc.plugin import client, connection
from liveupdate.osc.v1.arguments import add_update, update
from liveupdate.osc.v1.problems import told
from liveupdate.osc.v1.progress import wait

_COLUMNS = ("id", "method", "server", "state", "step", "progress", "created_at")
_DETAIL = (
    *_COLUMNS,
    "reason",
    "code",
    "remedy",
    "parameters",
    "pivot",
    "request_id",
    "deadline",
    "started_at",
    "finished_at",
)


def _row(job: Any, columns: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple((job.server or {}).get("name") if c == "server" else getattr(job, c) for c in columns)


def job_shown(job: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Raises CommandError for a job that has ended otherwise than it should."""
    if job.state in ("undone", "cancelled", "undo_failed", "needs_attention"):
        raise CommandError(f"job {job.id} is {job.state}: {job.reason} ({job.code})\nRemedy: {job.remedy}")
    return _DETAIL, _row(job, _DETAIL)


class CreateJob(command.ShowOne):
    """Update a server without rebooting its workload"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_update(parser)
        parser.add_argument("--confirm", action="store_true", help="Hold after the cut-over until you confirm")
        parser.add_argument(
            "--soak", type=int, metavar="<seconds>", default=0, help="Watch health so long before release"
        )
        parser.add_argument("--wait", action="store_true", help="Show progress until the job ends")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        service = client(self)
        asked = update(connection(self), parsed_args)
        with told():
            job = service.create_job(confirm=parsed_args.confirm, soak_seconds=parsed_args.soak, **asked)
            if parsed_args.wait:
                identifier = job.id
                job = wait(lambda: (service.get_job(identifier), service.job_part(identifier, "steps")))
        return job_shown(job)


class ListJob(command.Lister):
    """List live-update jobs, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--state", metavar="<state>", help="Only jobs in this state")
        parser.add_argument("--all-projects", action="store_true", help="Of all projects (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        query: dict[str, Any] = {"all_projects": True} if parsed_args.all_projects else {}
        if parsed_args.state:
            query["state"] = parsed_args.state
        with told():
            return _COLUMNS, [_row(job, _COLUMNS) for job in client(self).jobs(**query)]


class _OneJob(command.ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("job", metavar="<job>", help="Id of the job")
        return parser


class ShowJob(_OneJob):
    """Show a live-update job"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        with told():
            return _DETAIL, _row(client(self).get_job(parsed_args.job), _DETAIL)


class ReportJob(_OneJob):
    """Show what a job did: blackout, steps, resources"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[Any]]:
        with told():
            report = client(self).job_part(parsed_args.job, "report")
        return list(report), list(report.values())


class CancelJob(_OneJob):
    """Cancel a job: undo all it has done (until its pivot)"""

    action = "cancel"

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        with told():
            job = client(self).act_on_job(parsed_args.job, self.action)
        return _DETAIL, _row(job, _DETAIL)


class ConfirmJob(CancelJob):
    """Confirm a job in hold: release the original"""

    action = "confirm"


class RollbackJob(CancelJob):
    """Move the workload of a job in hold back to the original, live"""

    action = "rollback"


class RetryJob(CancelJob):
    """Let a job that needs attention, or whose undo failed, try again where it is stuck"""

    action = "retry"
