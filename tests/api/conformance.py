"""Ask every route of the OpenAPI document whatever comes to mind, and hold the answers against the document."""

import warnings
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests.api.authorisation import Things
from tests.api.conftest import SERVER

with warnings.catch_warnings():
    # it warns about its own dependencies
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

_CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
#: Parameters that would hit nothing by chance.
_THINGS = {"job_id": "job", "preview_id": "preview", "fallback_id": "fallback", "image_id": "image"}
_MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def conform(app: Any, headers: Mapping[str, str], things: Things, examples: int = 10) -> dict[str, set[int]]:
    """Operation → the statuses that it answered with. Raises schemathesis' failures.

    One that has refused all ``examples`` of a kind is asked on: what is documented of its success is to be seen, too.
    """
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=dict(headers))
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr] # a document that cannot be read raises here
        statuses = set().union(*(_ask(operation, mode, headers, things, examples) for mode in _MODES))
        if min(statuses) >= 400:
            statuses |= _ask(operation, schemathesis.GenerationMode.POSITIVE, headers, things, 4 * examples)
        seen[operation.label] = statuses
    return seen


def _ask(operation: Any, mode: Any, headers: Mapping[str, str], things: Things, examples: int) -> set[int]:
    statuses = set()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), hit=st.booleans())
    def asked(case: Any, hit: bool) -> None:
        if hit:
            _aim(case, things)
        statuses.add(case.call_and_validate(headers=dict(headers), checks=_CHECKS).status_code)

    try:
        asked()
    except Unsatisfiable:
        # a route that takes nothing cannot be asked wrongly
        assert mode == schemathesis.GenerationMode.NEGATIVE
    return statuses


def _aim(case: Any, things: Things) -> None:
    """At something that is there."""
    for name, kind in _THINGS.items():
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = things.make(kind)
    if "name" in (case.path_parameters or {}):
        case.path_parameters["name"] = "default"
    for part in case.body.values() if isinstance(case.body, dict) else ():
        if isinstance(part, dict) and "server_id" in part:
            part["server_id"] = SERVER
