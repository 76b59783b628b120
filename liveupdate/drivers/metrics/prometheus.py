"""Prometheus' HTTP API, with the metrics of its node exporter.

A host is known by one label of its series, "instance" by default, whose port is cut off. Its means are only believed if
its last sample is young and there are some of nearly every minute: the mean of one minute is not that of 15.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from liveupdate.model import NoData, Utilization
from liveupdate.settings import Metrics

#: The policies' running mean.
_WINDOW = "15m"
#: Minutes of the window that must have samples: two may lack, as in a restart.
_ENOUGH = 13
_TIMEOUT = 10.0
_LIMIT = 16 << 20
#: A mean of rates may miss its bounds by as much.
_SLACK = 0.02

_MEMORY = "node_memory_MemTotal_bytes"
QUERIES: Mapping[str, str] = {
    # of the time that was counted, not of the window's: counters that stand still, or stood, are no busy processors
    "cpu": f'1 - sum by (%(label)s) (rate(node_cpu_seconds_total{{mode="idle"}}[{_WINDOW}]))'
    f" / sum by (%(label)s) (rate(node_cpu_seconds_total[{_WINDOW}]))",
    "memory": f"1 - avg_over_time(node_memory_MemAvailable_bytes[{_WINDOW}]) / avg_over_time({_MEMORY}[{_WINDOW}])",
    "age": f"time() - timestamp({_MEMORY})",
    "minutes": f"count_over_time({_MEMORY}[{_WINDOW}:1m])",
}


class Unusable(Exception):
    """The answer is none that can be believed."""


def make(settings: Metrics) -> "Prometheus":
    return Prometheus(settings.url, settings.host_label, settings.max_age)


class Prometheus:
    """``url``: its root, such as http://prometheus:9090; ``max_age``: seconds."""

    def __init__(self, url: str, label: str, max_age: float) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._label = label
        self._max_age = max_age

    def utilization(self, hosts: Sequence[str]) -> dict[str, Utilization | NoData]:
        try:
            seen = {name: self._ask(query % {"label": self._label}) for name, query in QUERIES.items()}
        except (requests.RequestException, HTTPError) as error:
            # its text may hold the URL with a password
            return dict.fromkeys(hosts, NoData(f"Prometheus does not answer: {type(error).__name__}"))
        except Unusable as error:
            return dict.fromkeys(hosts, NoData(f"Prometheus' answer cannot be used: {error}"))
        return {host: self._judge({name: found.get(host, []) for name, found in seen.items()}) for host in hosts}

    def _judge(self, seen: Mapping[str, list[float]]) -> Utilization | NoData:
        if not all(seen.values()):
            return NoData("Prometheus has no samples of it")
        if any(len(values) > 1 for values in seen.values()):
            return NoData("Prometheus has several series of this name")
        [cpu], [memory], [age], [minutes] = (seen[name] for name in ("cpu", "memory", "age", "minutes"))
        if not -_SLACK * self._max_age <= age <= self._max_age:
            return NoData(f"its last sample is {age:.0f} s old, {self._max_age:.0f} s are allowed")
        if minutes < _ENOUGH:
            return NoData(f"it has been measured in {minutes:.0f} of the last 15 minutes, {_ENOUGH} are needed")
        if not all(-_SLACK <= share <= 1 + _SLACK for share in (cpu, memory)):
            return NoData(f"its shares make no sense: {cpu:.3f} of processors, {memory:.3f} of memory")
        return Utilization(min(max(cpu, 0.0), 1.0), min(max(memory, 0.0), 1.0))

    def _ask(self, query: str) -> dict[str, list[float]]:
        """host → every finite value of the instant vector. Raises Unusable, requests.RequestException."""
        with requests.get(self._url, params={"query": query}, timeout=_TIMEOUT, stream=True) as answer:
            body = answer.raw.read(_LIMIT + 1, decode_content=True)
            if len(body) > _LIMIT:
                raise Unusable("it is too long")
            if answer.status_code != requests.codes.ok:
                raise Unusable(f"status {answer.status_code}")
            try:
                return self._read(json.loads(body))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise Unusable(f"it is no instant vector ({type(error).__name__})") from error

    def _read(self, answer: Any) -> dict[str, list[float]]:
        if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
            raise Unusable("it is no instant vector")
        found: dict[str, list[float]] = {}
        for series in answer["data"]["result"]:
            host = _without_port(str(series["metric"].get(self._label, "")))
            value = float(series["value"][1])
            if host and math.isfinite(value):
                found.setdefault(host, []).append(value)
        return found


def _without_port(instance: str) -> str:
    host, colon, port = instance.rpartition(":")
    return host if colon and port.isdigit() else instance
