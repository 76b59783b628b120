"""What Prometheus is told: by the API on its own port, by a worker on another. Labels are never ids.

The figures of jobs are counted where events are told (worker/telling.py), each event once in the whole deployment: sum
them over the workers. Gauges are read from the database by every worker alike: take the maximum.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

API = CollectorRegistry()
WORKER = CollectorRegistry()

_MINUTES = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_BLACKOUT = (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60, 120)
_CALL = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUEST_SECONDS = Histogram(
    "liveupdate_api_request_seconds",
    "Answers of this API process; route is its template, or unknown.",
    ("verb", "route", "status"),
    buckets=_CALL,
    registry=API,
)
JOBS_ENDED = Counter(
    "liveupdate_jobs_ended",
    "Jobs that came to rest: succeeded, undone, cancelled; needs_attention and undo_failed each time anew.",
    ("kind", "method", "outcome"),
    registry=WORKER,
)
JOBS_FORETOLD = Counter(
    "liveupdate_jobs_foretold",
    "Of those, the ones that were started from a preview, by its verdict: whether previews tell the truth.",
    ("method", "verdict", "outcome"),
    registry=WORKER,
)
STEP_SECONDS = Histogram(
    "liveupdate_step_seconds",
    "From a step's beginning to its outcome (done, failed, undone, undo_failed), waiting included.",
    ("method", "step", "outcome"),
    buckets=_MINUTES,
    registry=WORKER,
)
BLACKOUT_SECONDS = Histogram(
    "liveupdate_blackout_seconds",
    "From the freeze of the workload until it answered again, as the guests measured it.",
    ("method",),
    buckets=_BLACKOUT,
    registry=WORKER,
)
LEASE_TAKEOVERS = Counter(
    "liveupdate_lease_takeovers", "Jobs taken over from a worker that fell silent.", ("method",), registry=WORKER
)
CLOUD_CALL_SECONDS = Histogram(
    "liveupdate_cloud_call_seconds",
    "Calls to other services; outcome is the status, or no_answer.",
    ("service", "verb", "outcome"),
    buckets=_CALL,
    registry=None,
)
for _registry in (API, WORKER):
    _registry.register(CLOUD_CALL_SECONDS)
