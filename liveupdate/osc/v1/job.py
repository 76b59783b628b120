"""``openstack live update job …``: create, list, show, watch, and what belongs to a job."""

import argparse
from itertools import islice
from typing import Any

from osc_lib.command import command
from osc_lib.exceptions import CommandError

from liveupdate.osc.plugin import client, connection
from liveupdate.osc.v1.arguments import add_list, add_times, add_update, listed, times, update
from liveupdate.osc.v1.columns import Fields
from liveupdate.osc.v1.problems import told
from liveupdate.osc.v1.progress import wait_for_job

_COLUMNS = ("id", "method", "server", "state", "step", "progress", "created_at")
_DETAIL = (
    *_COLUMNS,
    "reason",
    "code",
    "remedy",
    "parameters",
    "pivot",
    "paused",
    "not_before",
    "window",
    "deadline",
    "approval",
    "approved_by",
    "preview_id",
    "project_id",
    "user_id",
    "request_id",
    "global_request_id",
    "updated_at",
    "started_at",
    "finished_at",
)
Shown = tuple[tuple[str, ...], tuple[Any, ...]]
Listed = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def _row(job: Any, columns: tuple[str, ...]) -> tuple[Any, ...]:
    shown = {"server": (job.server or {}).get("name"), "parameters": Fields(job.parameters or {})}
    return tuple(shown[c] if c in shown else getattr(job, c) for c in columns)


def job_row(job: Any) -> Shown:
    return _DETAIL, _row(job, _DETAIL)


def job_shown(job: Any) -> Shown:
    """Raises CommandError for a job that has ended otherwise than it should."""
    if job.state in ("undone", "cancelled", "undo_failed", "needs_attention"):
        code, remedy = f" ({job.code})" if job.code else "", f"\nRemedy: {job.remedy}" if job.remedy else ""
        raise CommandError(f"job {job.id} is {job.state}: {job.reason}{code}{remedy}")
    return job_row(job)


def job_ended(service: Any, job: Any, waited_for: bool) -> Shown:
    """As job_shown; if it is ``waited_for``, once it has ended."""
    return job_shown(wait_for_job(service, job.id) if waited_for else job)


class CreateJob(command.ShowOne):
    """Update a server without rebooting its workload"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_update(parser, preview=True)
        parser.add_argument("--confirm", action="store_true", help="Hold after the cut-over until you confirm")
        parser.add_argument(
            "--soak", type=int, metavar="<seconds>", default=0, help="Watch health so long before release"
        )
        add_times(parser)
        parser.add_argument("--wait", action="store_true", help="Show progress until the job ends")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        service = client(self)
        with told():
            asked = update(connection(self), parsed_args) | times(parsed_args)
            if parsed_args.confirm or parsed_args.soak:
                asked |= {"confirm": parsed_args.confirm, "soak_seconds": parsed_args.soak}
            job = service.create_job(**asked)
            if parsed_args.wait:
                self.app.stderr.write(f"job {job.id}\n")
                job = wait_for_job(service, job.id)
        return job_shown(job)


class ListJob(command.Lister):
    """List live-update jobs, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_list(parser, "state", "method", "server", "step", "user", "project", "approval", "preview")
        parser.add_argument("--all-projects", action="store_true", help="Of all projects (administrators)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Listed:
        with told():
            found = client(self).jobs(**listed(connection(self), parsed_args))
            return _COLUMNS, [_row(job, _COLUMNS) for job in islice(found, parsed_args.limit)]


class OneJob(command.ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("job", metavar="<job>", help="Id of the job")
        return parser


class ShowJob(OneJob):
    """Show a live-update job"""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with told():
            return job_row(client(self).get_job(parsed_args.job))


class WatchJob(OneJob):
    """Show a job's progress until it ends or waits for you"""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with told():
            return job_shown(wait_for_job(client(self), parsed_args.job))


class _Part(command.Lister):
    part: str
    columns: tuple[str, ...]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("job", metavar="<job>", help="Id of the job")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Listed:
        with told():
            found = client(self).job_part(parsed_args.job, self.part)
        return self.columns, [tuple(line[c] for c in self.columns) for line in found]


class ListStep(_Part):
    """List a job's steps, and how long each took"""

    part, columns = "steps", ("id", "state", "attempts", "seconds", "expected_seconds", "started_at", "finished_at")


class ListEvent(_Part):
    """List what happened to a job, oldest first"""

    part, columns = "events", ("id", "at", "type", "step", "detail")


class ListResource(_Part):
    """List the cloud objects that a job has made: its ledger"""

    part, columns = "resources", ("kind", "role", "name", "cloud_id", "state", "created_at", "deleted_at")
