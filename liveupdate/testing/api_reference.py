"""The reference of the REST API and its policy, read out of the routes and the rules. For docs/conf.py."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from liveupdate import policies
from liveupdate.api import operations, versions
from liveupdate.api.v1 import ROUTERS

Schema = Mapping[str, Any]

_API = """# REST API

Service type `live-update`; the endpoint is unversioned. Every call but those of the version documents and the health
check needs a token in `X-Auth-Token`, for a project. `OpenStack-API-Version: live-update 1.x` asks for a version. Every
error has the same shape, `{"errors": [{"status", "code", "title", "detail", "remedy", "request_id", "links"}]}`: see
[Errors](errors.md).
"""
_POLICY = """# Policy

Who may do what, and what an operator may change in `policy.yaml`. The scope of every rule is the project.

| rule | what | default | for |
|---|---|---|---|
"""


def api_page() -> str:
    document = _document()
    parts = [_API]
    for path, methods in sorted(document["paths"].items()):
        for method, route in methods.items():
            parts.append("\n".join(_route(document, method.upper(), path, route)))
    return "\n".join(parts) + "\n"


def policy_page() -> str:
    rows = []
    for rule in policies.list_rules():
        routes = "<br>".join(f"`{operation['method']} {operation['path']}`" for operation in rule.operations)
        rows.append(f"| `{rule.name}` | {rule.description} | `{rule.check_str}` | {routes} |")
    return _POLICY + "\n".join(rows) + "\n"


def _document() -> Schema:
    app = FastAPI(title="liveupdate")
    for router in (versions.router, operations.router, *ROUTERS):
        app.include_router(router)
    return app.openapi()


def _route(document: Schema, method: str, path: str, route: Schema) -> Iterator[str]:
    yield f"## {method} {path}\n"
    if text := route.get("description", ""):
        yield f"{_plain(text)}\n"
    rules = [
        f"`{rule.name}`"
        for rule in policies.list_rules()
        for operation in rule.operations
        if operation["method"] == method and operation["path"].partition("?")[0] == path
    ]
    if rules:
        yield f"Policy: {', '.join(rules)}. "
    answers = ", ".join(code for code in route["responses"] if code != "422")
    yield f"Answers: {answers}.\n"
    asked = [p for p in route.get("parameters", ()) if p["in"] == "query"]
    yield from _table(
        "parameter", ((p["name"], p.get("schema", {}), p.get("required", False)) for p in asked), document
    )
    body = route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        yield from _table("body", _fields(document, body, ""), document)


def _fields(document: Schema, schema: Schema, above: str) -> Iterator[tuple[str, Schema, bool]]:
    """Name (dotted below the first level), schema and whether it must be there."""
    schema = _resolved(document, schema)
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(document, field)
        if inner.get("properties"):
            yield from _fields(document, inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", field, name in schema.get("required", ())


def _table(what: str, rows: Iterator[tuple[str, Schema, bool]], document: Schema) -> Iterator[str]:
    lines = [
        f"| `{name}` | {_type(document, schema)} | {'required' if required else _default(schema)} |"
        for name, schema, required in rows
    ]
    if lines:
        yield "\n".join([f"| {what} | type | default |", "|---|---|---|", *lines, ""])


def _type(document: Schema, schema: Schema) -> str:
    schema = _resolved(document, schema)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if some := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(document, one) for one in some)
    if schema.get("type") == "array":
        return f"list of {_type(document, schema.get('items', {}))}"
    kind = str(schema.get("format") or schema.get("type") or "anything")
    limits = [f"{sign} {schema[key]}" for key, sign in _LIMITS if key in schema]
    return " ".join([kind, *limits])


_LIMITS = (("minimum", "≥"), ("exclusiveMinimum", "&gt;"), ("maximum", "≤"), ("maxLength", "length ≤"))


def _default(schema: Schema) -> str:
    return f"`{schema['default']}`" if schema.get("default") is not None else ""


def _resolved(document: Schema, schema: Schema) -> Schema:
    found: Any = schema
    while "$ref" in found:
        found = document["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return found  # type: ignore[no-any-return]


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")
