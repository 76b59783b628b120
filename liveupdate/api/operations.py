"""For those who run the service: its figures, and how it is."""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from liveupdate import figures
from liveupdate.api.document import one
from liveupdate.api.schemas import answers
from liveupdate.api.v1 import views
from liveupdate.api.v1.asking import Asked, By
from liveupdate.db import schema, workers
from liveupdate.db.session import read

router = APIRouter(tags=["operations"])


@router.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """This process's own figures, for Prometheus: counts and times of answers, nothing of anybody's jobs."""
    return Response(generate_latest(figures.API), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/health", **one(200, "health", answers.Health))
def health(asked: Asked, by: By) -> dict[str, Any]:
    """How the service is: ``status`` ok or degraded; what it depends on, one by one; the workers that were seen."""
    asked.authorize("health:get", by.context, by.context.project_id)
    checks, there = [], []
    try:
        with read(asked.engine) as connection:
            current, there = schema.current(connection), list(workers.lately(connection))
        wanted = schema.wanted()
        checks.append(_check("database", "" if current == wanted else f"schema {current or 'empty'}, wanted {wanted}"))
        checks.append(_check("workers", "" if any(worker.alive for worker in there) else "none was seen lately"))
    except SQLAlchemyError as error:
        checks.append(_check("database", type(error).__name__))
    for name, check in asked.checks.items():
        checks.append(_check(name, check()))
    return {
        "health": {
            "status": "ok" if all(check["status"] == "ok" for check in checks) else "degraded",
            "checks": checks,
            "workers": [
                {
                    "name": worker.name,
                    "version": worker.version,
                    "started_at": views.time(worker.started_at),
                    "seen_at": views.time(worker.seen_at),
                    "alive": worker.alive,
                }
                for worker in there
            ],
        }
    }


def _check(name: str, fault: str) -> dict[str, str]:
    return {"name": name, "status": "failed" if fault else "ok", "detail": fault}
