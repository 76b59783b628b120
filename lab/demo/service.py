"""Our own service on the lab's cloud: API and worker in one process, its database in the lab's state.

``python -m lab.demo.service`` starts it; it goes with the lab.
"""

import sys
from pathlib import Path
from typing import Any

import requests
from keystoneauth1.adapter import Adapter

from lab import metrics, processes, settings

URL = f"http://127.0.0.1:{settings.LIVEUPDATE_PORT}"


def start() -> None:
    """Start it unless it runs. Raises processes.Failed with the tail of its log."""
    config = settings.ETC / "liveupdate.conf"
    database = settings.STATE / "liveupdate.sqlite"
    config.write_text(
        f"[api]\nport = {settings.LIVEUPDATE_PORT}\n"
        f"[database]\nconnection = sqlite:///{database}\n"
        f"[guest]\nprivate_key_file = {settings.SSH_KEY}\n"
        f"[metrics]\nsource = prometheus\nurl = {metrics.url()}\n"
    )
    program = Path(sys.executable).parent / "liveupdate-all"
    environment = {"OS_CLIENT_CONFIG_FILE": str(settings.CLOUDS)}
    process = processes.Process(
        "liveupdate",
        [str(program), "--config-file", str(config)],
        environment,
        ready=_answers,
        port=settings.LIVEUPDATE_PORT,
    )
    processes.start(process)
    processes.wait_ready(process)


def stop() -> None:
    processes.stop(["liveupdate"])


def api(connection: Any) -> Adapter:
    """The REST API as a user calls it; ``connection``: openstacksdk's, of that user."""
    # a connection that was idle for long may be closed just when it is used
    return Adapter(connection.session, service_type="live-update", interface="public", connect_retries=3)


def _answers() -> bool:
    try:
        return bool(requests.get(f"{URL}/healthcheck", timeout=2).ok)
    except requests.RequestException:
        return False


if __name__ == "__main__":
    start()
