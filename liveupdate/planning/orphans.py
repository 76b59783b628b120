"""What is to become of what carries our mark and no ledger stands for: facts in, verdicts out. Pure.

With the ledger lost, what the cloud shows must do: a job's lock is there until the original is gone, and a surrogate is
idle until something is copied to it. What may serve, or be returned to, is never taken away: it is named.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from liveupdate.model import Job, Resource, Sighting
from liveupdate.planning import roles
from liveupdate.states import FINAL, OPEN_LINE, STUCK, JobState, ResourceState


class Fate(StrEnum):
    #: Its job is stuck, and lacks a line for it: with that line, the job's cleanup takes it.
    ADOPT = "adopt"
    REMOVE = "remove"
    #: Somebody must look: ``why`` and ``remedy`` say at what.
    STAYS = "stays"


@dataclass(frozen=True)
class Verdict:
    sighting: Sighting
    fate: Fate
    why: str
    remedy: str = ""


@dataclass(frozen=True)
class Known:
    """What the database knows of what was seen: its jobs, their lines and all lines of those ids, trusts of jobs."""

    jobs: Mapping[str, Job]
    lines: Sequence[Resource]
    trusts: Collection[str]


_UNDONE = (JobState.UNDONE, JobState.CANCELLED)
#: What goes before what. Cinder deletes no volume that has snapshots; the lock is the last witness.
_ORDER = ("guest_attachment", "server", "address_pair", "image", "copy", "volume", "source", "port", "lock", "trust")


def judge(seen: Sequence[Sighting], needed: Collection[str], known: Known) -> list[Verdict]:
    """Of everything seen that is an orphan; of each job in the order in which it may be taken away.

    ``needed``: ids of what golden images need.
    """
    stood_for = _stood_for(known)
    orphans: dict[str, list[Sighting]] = {}
    for sighting in seen:
        if sighting.cloud_id not in needed and not stood_for(sighting):
            orphans.setdefault(sighting.job_id, []).append(sighting)
    return [verdict for job_id, some in sorted(orphans.items()) for verdict in _of_job(job_id, _ordered(some), known)]


def _stood_for(known: Known) -> Callable[[Sighting], bool]:
    """Whether an open line of an open job, a line of what is kept, or a job's own row stands for it."""
    live = {job_id for job_id, job in known.jobs.items() if job.state not in FINAL}
    at_work = [line for line in known.lines if line.job_id in live and line.state in OPEN_LINE]
    coming = {(r.job_id, r.kind, r.role) for r in at_work if r.state == ResourceState.INTENDED}
    kept = [line for line in known.lines if line.state == ResourceState.KEPT]
    there = {(r.kind, r.cloud_id) for r in (*at_work, *kept)}
    there |= {("trust", trust_id) for trust_id in known.trusts}
    return lambda s: (s.job_id, s.kind, s.role) in coming or (s.kind, s.cloud_id) in there


def _ordered(some: Sequence[Sighting]) -> list[Sighting]:
    volumes = {s.cloud_id for s in some if s.kind == "volume"}

    def place(s: Sighting) -> int:
        if s.kind in ("snapshot", "backup"):
            return _ORDER.index("copy" if s.details["volume_id"] in volumes else "source")
        return _ORDER.index(s.kind)

    return sorted(some, key=place)


def _of_job(job_id: str, orphans: Sequence[Sighting], known: Known) -> list[Verdict]:
    job = known.jobs.get(job_id)
    if not job_id:
        return [Verdict(s, Fate.REMOVE, "no job works by this trust") for s in orphans]
    if job is not None and job.state not in FINAL:
        lines = {(r.kind, r.role) for r in known.lines if r.job_id == job_id and r.state in OPEN_LINE}
        return [_of_open_job(job, s, (s.kind, s.role) in lines) for s in orphans]
    if serving := [s for s in orphans if s.kind == "server" and not s.details["idle"] and s.role != roles.COPY]:
        return [_beside_a_server(s, serving[0], orphans) for s in orphans]
    whose = f"its job is {job.state}" if job else "its job is not known"
    verdicts = [_alone(s, orphans, job, whose) for s in orphans]
    if all(v.fate == Fate.REMOVE for v in verdicts):
        return verdicts
    # as long as something of the job stays, nobody shall take the original for his again
    return [_locked_still(v) if v.sighting.kind == "lock" else v for v in verdicts]


def _of_open_job(job: Job, s: Sighting, has_line: bool) -> Verdict:
    if has_line:
        why = f"its job is {job.state} and has another {s.kind} for {s.role}"
        return Verdict(s, Fate.STAYS, why, "bring the job to its end; then remove this")
    if job.state in STUCK:
        return Verdict(s, Fate.ADOPT, f"its job is {job.state} and lacks a line for it", "adopt it; then job cleanup")
    return Verdict(s, Fate.STAYS, f"its job is {job.state}", "wait for the job to end, or cancel it; then look again")


def _beside_a_server(s: Sighting, serving: Sighting, orphans: Sequence[Sighting]) -> Verdict:
    if s.kind != "server":
        return Verdict(s, Fate.STAYS, f"server {serving.cloud_id} may need it", "see what is said of that server")
    original = next((lock.details["server_id"] for lock in orphans if lock.kind == "lock"), "")
    if original:
        return Verdict(
            s,
            Fate.STAYS,
            f"it may serve in the place of {original}, which is still there",
            f"see which of the two serves; if it is {original}, delete {s.cloud_id} and look again; if it is "
            f"{s.cloud_id}, keep it, take our tags from it, unlock {original}, stop it, and look again",
        )
    remedy = "delete it if nobody uses it; else take our tags from it; then look again"
    return Verdict(s, Fate.STAYS, "it may serve", remedy)


def _alone(s: Sighting, orphans: Sequence[Sighting], job: Job | None, whose: str) -> Verdict:
    """Of a job that works no more, and none of whose servers can be of use to anybody."""
    if others := _users(s, orphans):
        return Verdict(s, Fate.STAYS, f"it is on server {', '.join(others)}", "it is that server's: take our mark away")
    if s.role.startswith(roles.FALLBACK) and not (job and job.state in _UNDONE):
        # the original goes, and its lock with it, after something has taken its place
        replaced = any(_users(o, orphans) for o in orphans) or all(o.kind != "lock" for o in orphans)
        if replaced or s.kind == "volume":
            why = "an update has kept it to return to, as far as the cloud tells"
            return Verdict(s, Fate.STAYS, why, "delete it if nobody is to return to it")
    if s.kind == "lock" and s.details["status"] == "SHUTOFF":
        return Verdict(
            s, Fate.REMOVE, f"{whose}; the server is off", "see that its port and volumes are on it; start it"
        )
    return Verdict(s, Fate.REMOVE, whose)


def _users(s: Sighting, orphans: Sequence[Sighting]) -> list[str]:
    """Servers that have it, and stay."""
    users = s.details["servers"] if s.kind == "volume" else [s.details["device_id"]] if s.kind == "port" else []
    going = {o.cloud_id for o in orphans if o.kind == "server"}
    return sorted({user for user in users if user} - going)


def _locked_still(lock: Verdict) -> Verdict:
    return Verdict(lock.sighting, Fate.STAYS, "something else of its job stays", "see to that first")
