"""A job's events as they happen, over as many connections as it takes: none is missed, none comes twice."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from keystoneauth1 import exceptions as connection_errors
from openstack import exceptions
from requests import RequestException

#: Seconds of silence after which a connection is taken for dead: the service gives a sign of life every 15.
_SILENCE = 45
_AGAIN = 1.0
#: Connections in a row that fail before the service is taken for gone.
_TRIES = 60


def follow(session: Any, path: str, after: int = 0) -> Iterator[dict[str, Any]]:
    """The events after the one with id ``after``, until the job has ended. Raises openstack.exceptions."""
    failures = 0
    while True:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        try:
            with session.get(path, headers=headers, stream=True, timeout=_SILENCE) as answer:
                exceptions.raise_from_response(answer)
                if answer.status_code == 204:
                    return
                for event in parse(answer.iter_lines(chunk_size=1, decode_unicode=True)):
                    after = event["id"]
                    yield event
                    failures = 0
        except exceptions.SDKException:
            raise
        except (RequestException, connection_errors.ConnectFailure):
            failures += 1
            if failures >= _TRIES:
                raise
            time.sleep(_AGAIN)


def parse(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Only the data counts: each event's id and type are in it, too."""
    for line in lines:
        if line.startswith("data: "):
            event: dict[str, Any] = json.loads(line.removeprefix("data: "))
            yield event
