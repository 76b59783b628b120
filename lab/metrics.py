"""How busy hosts are: Prometheus, and for each host a node exporter that reads the host's own small /proc (load.py)."""

import json
import sys
from pathlib import Path

from lab import load, ports, settings
from lab.processes import Process

PACKAGES = ("prometheus", "prometheus-node-exporter")
#: Each has an exporter, the first at settings.EXPORTER_PORT.
HOSTS = settings.FAKE_HOSTS + settings.REAL_HOSTS
#: Seconds between two samples of a host.
INTERVAL = 5
#: Label "job" of every series.
JOB = "hosts"
#: Go programs that share a machine: one processor, and a heap that is collected rather than grown.
_MODEST = {"GOMAXPROCS": "1", "GOGC": "50"}


def configure() -> None:
    """Prometheus' configuration (YAML, of which JSON is a part), and the folders that exporters must find."""
    settings.ETC.mkdir(parents=True, exist_ok=True)
    for host in HOSTS:
        load.procfs(host).mkdir(parents=True, exist_ok=True)
    targets = [
        # as in a real cloud the label "instance" names the host as Nova knows it, not where its exporter is reached
        {"targets": [f"127.0.0.1:{settings.EXPORTER_PORT + number}"], "labels": {"instance": host}}
        for number, host in enumerate(HOSTS)
    ]
    every = {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": f"{INTERVAL}s"}
    _configuration().write_text(
        json.dumps({"global": every, "scrape_configs": [{"job_name": JOB, "static_configs": targets}]}, indent=1)
    )


def processes() -> list[Process]:
    writer = Process(
        name="host-load",
        argv=[sys.executable, "-m", "lab.load", *HOSTS],
        cwd=settings.CHECKOUT,
        ready=lambda: all((load.procfs(host) / "meminfo").exists() for host in HOSTS),
    )
    return [writer, *(_exporter(host, settings.EXPORTER_PORT + n) for n, host in enumerate(HOSTS)), _prometheus()]


def url() -> str:
    return f"http://127.0.0.1:{settings.PROMETHEUS_PORT}"


def _exporter(host: str, port: int) -> Process:
    return Process(
        name=f"exporter-{host}",
        argv=[
            *("prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"),
            *("--collector.disable-defaults", "--collector.cpu", "--collector.meminfo"),
            *("--web.disable-exporter-metrics", f"--path.procfs={load.procfs(host)}", "--log.level=warn"),
        ],
        env=_MODEST,
        ready=lambda: ports.listening("127.0.0.1", port),
        port=port,
    )


def _prometheus() -> Process:
    return Process(
        name="prometheus",
        argv=[
            *("prometheus", f"--config.file={_configuration()}", f"--storage.tsdb.path={settings.STATE}/metrics/data"),
            *("--storage.tsdb.retention.time=2h", "--storage.tsdb.retention.size=64MB", "--log.level=warn"),
            *(f"--web.listen-address=127.0.0.1:{settings.PROMETHEUS_PORT}", "--query.max-concurrency=4"),
        ],
        env=_MODEST,
        ready=lambda: ports.answers("127.0.0.1", settings.PROMETHEUS_PORT, "/-/ready"),
        port=settings.PROMETHEUS_PORT,
    )


def _configuration() -> Path:
    return settings.ETC / "prometheus.yml"
