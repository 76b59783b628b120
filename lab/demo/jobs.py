"""Update jobs through the REST API, as an automation script would drive them."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lab.demo.servers import Guest, ssh, wait_for
from lab.settings import PATIENCE

#: Seconds for an update: two boots and a move, see PATIENCE.
_UPDATE = 6 * PATIENCE
ENDED = {"succeeded", "undone", "cancelled", "undo_failed", "needs_attention"}


def create(api: Any, server_id: str, **parameters: Any) -> str:
    """The id of a new update job. Raises AssertionError with the API's answer if it is refused."""
    body = {"job": {"method": "surrogate", "server_id": server_id, **parameters}}
    answer = api.post("/v1/jobs", json=body, raise_exc=False)
    if answer.status_code != 202:
        raise AssertionError(f"{answer.status_code}: {answer.text[:1000]}")
    return str(answer.json()["job"]["id"])


def show(api: Any, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/jobs/{job_id}").json()["job"]
    return found


def steps(api: Any, job_id: str) -> dict[str, dict[str, Any]]:
    return {step["id"]: step for step in api.get(f"/v1/jobs/{job_id}/steps").json()["steps"]}


def report(api: Any, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/jobs/{job_id}/report").json()["report"]
    return found


def kept(api: Any, job_id: str) -> set[str]:
    """Ids of what the job's report says it leaves: the updated server, its boot volume, a fallback."""
    return {line["cloud_id"] for line in report(api, job_id)["resources"]["kept"]}


def surrogate(api: Any, job_id: str) -> str:
    """The id of the server that the job has made."""
    created = report(api, job_id)["resources"]["created"]
    return next(str(line["cloud_id"]) for line in created if line["kind"] == "server")


def shell(user: Any, guest: Guest, job_id: str, role: str) -> Callable[[str], str]:
    """On the surrogate, or by ``management`` on the original: by their own addresses, which no fence closes."""
    [port] = user.network.ports(name=f"liveupdate-{job_id[:8]}-{role}")
    return partial(ssh, port.fixed_ips[0]["ip_address"], guest.host_key)


def act(api: Any, job_id: str, action: str) -> None:
    answer = api.post(f"/v1/jobs/{job_id}/actions", json={"action": action}, raise_exc=False)
    if not answer.ok:
        raise AssertionError(f"{action}: {answer.status_code}: {answer.text[:1000]}")


def until_ended(api: Any, job_id: str, seconds: float = _UPDATE) -> dict[str, Any]:
    """The job once it has ended, however it has. Raises AssertionError with what it does instead."""

    def ended() -> dict[str, Any] | None:
        job = show(api, job_id)
        return job if job["state"] in ENDED else None

    try:
        return wait_for(ended, seconds, "its end") or {}
    except TimeoutError as error:
        raise AssertionError(f"{error}: {told(api, job_id)}") from None


def told(api: Any, job_id: str) -> str:
    """What the job is doing and what it did last, for whoever reads why a test failed."""
    job = show(api, job_id)
    newest = api.get(f"/v1/jobs/{job_id}/events?limit=500").json()["events"][-25:]
    lines = [f"{e['at'][11:23]} {e['type']} {e.get('step') or ''} {e['detail']}"[:300] for e in newest]
    return "\n".join([f"job {job_id} is {job['state']} at {job['step']}: {job['reason']}", *lines])


def until_step(api: Any, job_id: str, step: str, seconds: float = _UPDATE, interval: float = 0.1) -> None:
    """Return as soon as the step has begun. Raises AssertionError if the job ends before."""
    end = time.monotonic() + seconds
    while True:
        # those of a way back are there once it has begun
        if (found := steps(api, job_id).get(step)) and found["state"] != "pending":
            return
        job = show(api, job_id)
        if job["state"] in ENDED or time.monotonic() > end:
            raise AssertionError(f"{step} has not begun; {job['state']} at {job['step']}: {job['reason']}")
        time.sleep(interval)
