from oslo_policy import policy

from liveupdate.policies.roles import ADMIN, MANAGER, MEMBER, READER


def _rule(name: str, check: str, description: str, *routes: tuple[str, str]) -> policy.DocumentedRuleDefault:
    operations: list[policy.Operation] = [{"method": method, "path": path} for method, path in routes]
    return policy.DocumentedRuleDefault(f"job:{name}", check, description, operations, scope_types=["project"])


_JOB = "/v1/jobs/{job_id}"

RULES = (
    _rule("list", READER, "List the project's jobs.", ("GET", "/v1/jobs")),
    _rule("list_all", ADMIN, "List and show the jobs of all projects.", ("GET", "/v1/jobs?all_projects=true")),
    _rule(
        "get",
        READER,
        "Show a job and all that belongs to it.",
        ("GET", _JOB),
        ("GET", f"{_JOB}/steps"),
        ("GET", f"{_JOB}/events"),
        ("GET", f"{_JOB}/resources"),
        ("GET", f"{_JOB}/report"),
    ),
    _rule("create", MEMBER, "Create a job.", ("POST", "/v1/jobs")),
    _rule(
        "create_unapproved",
        MEMBER,
        "Create a job that needs nobody's approval; who may not, gets one that waits for it.",
        ("POST", "/v1/jobs"),
    ),
    _rule(
        "choose_host_group",
        MANAGER,
        "Have a surrogate placed in a host group that is not its original's.",
        ("POST", "/v1/jobs"),
        ("POST", "/v1/previews"),
    ),
    _rule(
        "approve",
        f"({MANAGER}) and not user_id:%(user_id)s",
        "Approve a job that waits for it; never one's own.",
        ("POST", f"{_JOB}/actions"),
    ),
    _rule("start", MEMBER, "Start a job before its time.", ("POST", f"{_JOB}/actions")),
    _rule("pause", MEMBER, "Let a job rest between two steps.", ("POST", f"{_JOB}/actions")),
    _rule("resume", MEMBER, "Let a job that rests go on.", ("POST", f"{_JOB}/actions")),
    _rule("skip_step", MEMBER, "Leave out a step that a job can do without.", ("POST", f"{_JOB}/actions")),
    _rule("cleanup", MEMBER, "Bring a stuck job to an end by its ledger.", ("POST", f"{_JOB}/actions")),
    _rule("cancel", MEMBER, "Cancel a job: undo it.", ("POST", f"{_JOB}/actions")),
    _rule("confirm", MEMBER, "Confirm a job in hold.", ("POST", f"{_JOB}/actions")),
    _rule("rollback", MEMBER, "Move the workload back to the original.", ("POST", f"{_JOB}/actions")),
    _rule("retry", MEMBER, "Let a job that is stuck try again.", ("POST", f"{_JOB}/actions")),
)
