"""With OpenTelemetry set up, requests, steps and calls of the cloud are spans; without it nothing happens.

The SDK is the tests' own: it is set up for the whole process once, and only read here.
"""

from collections.abc import Iterator, Sequence

import pytest
from fastapi.testclient import TestClient
from keystoneauth1 import exceptions, noauth
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine

from liveupdate.drivers.cloud.session import Session
from liveupdate.errors import Failed
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import accept, work_once
from liveupdate.testing.steps import World
from tests.api.conftest import new

_SPANS = InMemorySpanExporter()


@pytest.fixture(scope="module")
def provider() -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(_SPANS))
    trace.set_tracer_provider(made)
    return made


@pytest.fixture
def spans(provider: TracerProvider) -> Iterator[InMemorySpanExporter]:
    _SPANS.clear()
    yield _SPANS
    _SPANS.clear()


def named(spans: InMemorySpanExporter, name: str) -> Sequence[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def test_a_request(spans: InMemorySpanExporter, api: TestClient) -> None:
    incoming = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = api.post("/v1/jobs", json=new(), headers={"traceparent": incoming})
    [span] = named(spans, "POST /v1/jobs")
    assert span.attributes is not None
    assert span.attributes["openstack.request_id"] == answer.headers["X-Openstack-Request-Id"]
    assert trace.format_trace_id(span.context.trace_id) == incoming.split("-")[1]


def test_a_step_and_its_outcome(spans: InMemorySpanExporter, sqlite: Engine) -> None:
    def fail(_: StepContext) -> None:
        raise Failed("hunter2")

    world = World()
    world.faults["apply", "copy"] = fail
    job_id = accept(sqlite)
    work_once(sqlite, world)
    [prepared] = named(spans, "apply prepare")
    assert prepared.attributes is not None
    assert prepared.attributes["job.id"] == job_id
    [failed] = named(spans, "apply copy")
    assert failed.attributes is not None
    assert (failed.attributes["outcome"], failed.status.status_code) == ("Failed", trace.StatusCode.ERROR)
    assert named(spans, "undo copy")
    assert "hunter2" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_a_call_of_the_cloud(spans: InMemorySpanExporter) -> None:
    with pytest.raises(exceptions.ConnectFailure):
        Session(auth=noauth.NoAuth()).get("http://127.0.0.1:1/", authenticated=False)
    [span] = named(spans, "GET identity")
    assert span.attributes is not None
    assert (span.kind, span.attributes["outcome"]) == (trace.SpanKind.CLIENT, "no_answer")
