"""How an object of ours is told from everybody else's: it carries the job and the role it plays in it."""

from collections.abc import Mapping

#: Metadata keys of volumes and snapshots.
JOB = "liveupdate:job"
ROLE = "liveupdate:role"


def metadata(job_id: str, role: str) -> dict[str, str]:
    return {JOB: job_id, ROLE: role}


def carries(found: Mapping[str, str], job_id: str, role: str) -> bool:
    return found.get(JOB) == job_id and found.get(ROLE) == role
