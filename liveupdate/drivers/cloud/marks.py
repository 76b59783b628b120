"""How an object of ours is told from everybody else's: it carries the job and the role it plays in it."""

import re
from collections.abc import Mapping

#: Metadata keys of volumes, snapshots, backups and images.
JOB = "liveupdate:job"
ROLE = "liveupdate:role"
#: Tag of a surrogate that nothing has been copied to yet: it is of use to nobody but its job.
IDLE = "liveupdate:idle"

_JOB_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MARK = re.compile(rf"liveupdate:(?P<job>{_JOB_ID}):(?P<role>.+)")
_LOCK = re.compile(rf"liveupdate job (?P<job>{_JOB_ID})")


def name(job_id: str, role: str) -> str:
    """Of whatever a job makes, until it is given another one."""
    return f"liveupdate-{job_id[:8]}-{role}"


def metadata(job_id: str, role: str) -> dict[str, str]:
    return {JOB: job_id, ROLE: role}


def carries(found: Mapping[str, str], job_id: str, role: str) -> bool:
    return found.get(JOB) == job_id and found.get(ROLE) == role


def of_metadata(found: Mapping[str, str]) -> tuple[str, str] | None:
    """(job, role) that it carries; None if it is none of ours."""
    return of_line(line(found[JOB], found[ROLE])) if JOB in found and ROLE in found else None


def line(job_id: str, role: str) -> str:
    """A server's tag, or a port's description; at most 60 characters, as Nova wants."""
    return f"liveupdate:{job_id}:{role}"


def of_line(found: str) -> tuple[str, str] | None:
    """(job, role) that a tag or a description says; None if it is none of ours."""
    read = _MARK.fullmatch(found)
    return (read["job"], read["role"]) if read else None


def lock_reason(job_id: str) -> str:
    return f"liveupdate job {job_id}"


def of_lock(reason: str) -> str | None:
    """The job that has locked the server; None if it is somebody else's lock."""
    read = _LOCK.fullmatch(reason)
    return read["job"] if read else None
