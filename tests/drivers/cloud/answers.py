"""A service of the cloud that answers what the test has written down; it remembers what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests


def answer(body: Any, status: int = 200) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = json.dumps(body).encode()
    made.headers["Content-Type"] = "application/json"
    made.url = "http://cloud/"
    return made


@dataclass
class Service:
    """``answers``: "GET /path" → body, or a list of bodies in turn, or a whole response."""

    answers: dict[str, Any]
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self._answer(f"GET {path}", options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self._answer(f"POST {path}", options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self._answer(f"DELETE {path}", options)

    def get_user_id(self) -> str:
        return "service"

    def aggregates(self) -> list[Any]:
        return list(self.answers["aggregates"])

    def _answer(self, what: str, options: Mapping[str, Any]) -> requests.Response:
        self.asked.append((what, {k: dict(v) if isinstance(v, Mapping) else v for k, v in options.items()}))
        found = self.answers[what]
        if isinstance(found, list):
            found = found.pop(0)
        return found if isinstance(found, requests.Response) else answer(found)
