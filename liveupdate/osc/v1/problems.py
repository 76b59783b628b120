"""Errors of the service for people: code, detail, remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from openstack import exceptions
from osc_lib.exceptions import CommandError


@contextmanager
def told() -> Iterator[None]:
    """Raise what the service refuses as a CommandError that reads well; the exit code is 1."""
    try:
        yield
    except exceptions.HttpException as error:
        raise CommandError(describe(error)) from error


def describe(error: exceptions.HttpException) -> str:
    try:
        problems = error.response.json()["errors"] if error.response is not None else []
    except (ValueError, KeyError, TypeError):
        problems = []
    if not problems:
        return str(error)
    lines = []
    for problem in problems:
        lines.append(f"{problem['detail']} ({problem['code']}, {problem['request_id']})")
        if problem.get("remedy"):
            lines.append(f"Remedy: {problem['remedy']}")
    return "\n".join(lines)
