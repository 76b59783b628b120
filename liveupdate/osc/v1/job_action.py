"""``openstack live update job <action>``: what is said to a job that is under way."""

import argparse

from liveupdate.osc.plugin import client
from liveupdate.osc.v1.job import OneJob, Shown, job_row
from liveupdate.osc.v1.problems import told


class _Say(OneJob):
    action: str

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with told():
            return job_row(client(self).act_on_job(parsed_args.job, self.action))


class ApproveJob(_Say):
    """Approve a job that somebody else has asked for"""

    action = "approve"


class StartJob(_Say):
    """Start a job now that waits for its time or its maintenance window"""

    action = "start"


class PauseJob(_Say):
    """Let a job rest at the next boundary between its steps that allows it"""

    action = "pause"


class ResumeJob(_Say):
    """Let a job that was paused go on"""

    action = "resume"


class CancelJob(_Say):
    """Cancel a job: undo all it has done (until its pivot)"""

    action = "cancel"


class ConfirmJob(_Say):
    """Confirm a job in hold: release the original"""

    action = "confirm"


class RollbackJob(_Say):
    """Move the workload of a job in hold back to the original, live"""

    action = "rollback"


class RetryJob(_Say):
    """Let a job that needs attention, or whose undo failed, try again where it is stuck"""

    action = "retry"


class CleanupJob(_Say):
    """Bring a stuck job to an end: undone before its pivot, finished after it"""

    action = "cleanup"


class SkipStep(OneJob):
    """Let a job leave out a step that it can do without"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--step", metavar="<step>", help="Which one (default: the one that the job is stuck at)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        more = {"step": parsed_args.step} if parsed_args.step else {}
        with told():
            return job_row(client(self).act_on_job(parsed_args.job, "skip-step", **more))
