"""The worker's figures: counted from events as they are told, and read from the database when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from liveupdate import figures
from liveupdate.db import clock
from liveupdate.db.session import read
from liveupdate.db.tables import deliveries, jobs
from liveupdate.model import Happening
from liveupdate.states import CLAIMABLE, OPEN

_ENDS = frozenset({"job.succeeded", "job.undone", "job.cancelled", "job.needs_attention", "job.undo_failed"})
_STEP_ENDS = frozenset({"step.done", "step.failed", "step.undone", "step.undo_failed"})


def count(happening: Happening) -> None:
    """What an event adds to the figures."""
    job, event = happening.job, happening.event
    outcome = event.type.partition(".")[2]
    if event.type in _ENDS:
        figures.JOBS_ENDED.labels(str(job.kind), job.method, outcome).inc()
        if happening.foretold:
            figures.JOBS_FORETOLD.labels(job.method, happening.foretold, outcome).inc()
    elif event.type in _STEP_ENDS and happening.step_seconds is not None:
        figures.STEP_SECONDS.labels(job.method, happening.step, outcome).observe(happening.step_seconds)
    elif event.type == "lease.taken_over":
        figures.LEASE_TAKEOVERS.labels(job.method).inc()
    elif event.type == "blackout.ended" and (milliseconds := event.detail.get("blackout_ms")) is not None:
        figures.BLACKOUT_SECONDS.labels(job.method).observe(milliseconds / 1000)


class Stock(Collector):
    """What there is now, by the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("liveupdate_database_up", "1 if the database has answered this question.")
        try:
            told = list(self._read())
        except SQLAlchemyError:
            told = []
        up.add_metric([], float(bool(told)))
        yield up
        yield from told

    def _read(self) -> Iterator[GaugeMetricFamily]:
        by = (jobs.c.kind, jobs.c.method, jobs.c.state)
        waiting = (jobs.c.state.in_(CLAIMABLE), jobs.c.lease_until <= clock.now(), jobs.c.wake_at <= clock.now())
        with read(self._engine) as connection:
            counted = connection.execute(select(*by, func.count()).where(jobs.c.state.in_(OPEN)).group_by(*by)).all()
            since = connection.scalar(select(clock.now() - func.min(jobs.c.wake_at)).where(*waiting))
            untold = connection.scalar(select(func.count()).select_from(deliveries))
        there = GaugeMetricFamily("liveupdate_jobs", "Jobs that are open.", labels=("kind", "method", "state"))
        for kind, method, state, number in counted:
            there.add_metric([kind, method, state], number)
        yield there
        age = "Seconds that the job at the head of the queue waits for a worker beyond its time."
        yield GaugeMetricFamily("liveupdate_queue_age_seconds", age, value=(since or 0) / clock.SECOND)
        yield GaugeMetricFamily("liveupdate_deliveries", "Notifications that wait for a receiver.", value=untold)


class Figures:
    """Serves /metrics for Prometheus until ``stop``."""

    def __init__(self, engine: Engine, host: str, port: int) -> None:
        self._stock = Stock(engine)
        figures.WORKER.register(self._stock)
        self._server, self._thread = start_http_server(port, host, figures.WORKER)

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        figures.WORKER.unregister(self._stock)
