"""Each call of a step is a span of a trace, if somebody has set one up (OpenTelemetry; we bundle no exporter)."""

from collections.abc import Callable
from typing import TypeVar

from opentelemetry import trace

from liveupdate.errors import Interrupted, Retry
from liveupdate.steps.protocol import StepContext

T = TypeVar("T")

_TRACER = trace.get_tracer("liveupdate.engine")


def traced(what: str, work: Callable[[StepContext], T], context: StepContext) -> T:
    """``what``: probe, apply or undo. An error's text stays here: it may tell what a trace need not know."""
    with _TRACER.start_as_current_span(
        f"{what} {context.spec.step}",
        attributes={"job.id": context.job.id, "job.method": context.job.method, "step.id": context.spec.id},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            return work(context)
        except BaseException as error:
            span.set_attribute("outcome", type(error).__name__)
            if not isinstance(error, Retry | Interrupted):
                span.set_status(trace.StatusCode.ERROR)
            raise
