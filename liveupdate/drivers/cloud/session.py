"""A keystoneauth session whose calls are counted, and are spans of a trace."""

import time
from typing import Any

from keystoneauth1.exceptions import HttpError
from keystoneauth1.session import Session as Plain
from opentelemetry import propagate, trace

from liveupdate import lease
from liveupdate.figures import CLOUD_CALL_SECONDS

_REQUEST_ID = "X-OpenStack-Request-Id"
_TRACER = trace.get_tracer("liveupdate.cloud")


class Session(Plain):
    def request(self, url: str, method: str, *args: Any, **options: Any) -> Any:
        """As keystoneauth's. The figures know the service and the verb, the span nothing that is secret either."""
        lease.require()
        # calls without a filter are Keystone's own, and its way to the others' version documents
        service = (options.get("endpoint_filter") or {}).get("service_type") or "identity"
        begun, outcome = time.monotonic(), "no_answer"
        with _TRACER.start_as_current_span(f"{method} {service}", kind=trace.SpanKind.CLIENT) as span:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            if carrier:
                options["headers"] = {**(options.get("headers") or {}), **carrier}
            try:
                answer = super().request(url, method, *args, **options)
                outcome = str(answer.status_code)
            except HttpError as error:
                outcome = str(error.http_status)
                raise
            finally:
                CLOUD_CALL_SECONDS.labels(service, method, outcome).observe(time.monotonic() - begun)
                span.set_attributes({"http.request.method": method, "openstack.service": service, "outcome": outcome})
        return answer


def named(request_id: str, global_request_id: str = "") -> dict[str, Any]:
    """Arguments of a Session whose calls say what they are made for; "": for no request.

    In the header that services log there is the id that ties all of them together: the one that the caller's request
    went by, if it said so. There is one header only: our own is in the User-Agent, in any case.
    """
    header = global_request_id or request_id
    return {
        "additional_headers": {_REQUEST_ID: header} if header else {},
        "additional_user_agent": [("liveupdate", request_id)] if request_id else [],
    }
