"""A live-update job, as openstacksdk shows resources."""

from collections.abc import Iterator
from typing import Any

from openstack import exceptions, resource

from liveupdate.client.events import follow
from liveupdate.client.idempotency import HEADER


class Job(resource.Resource):
    resource_key = "job"
    resources_key = "jobs"
    base_path = "/jobs"

    allow_create = True
    allow_fetch = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "state",
        "method",
        "server_id",
        "server_name",
        "user_id",
        "project_id",
        "step",
        "approval",
        "preview_id",
        "sort",
        "all_projects",
        changes_since="changes-since",
    )

    #: Only when creating: the same request with the same key makes one job, however often.
    idempotency_key = resource.Header(HEADER)
    #: Only when creating: Nova's id of the server to update.
    server_id = resource.Body("server_id")
    method = resource.Body("method")
    server = resource.Body("server", type=dict)
    project_id = resource.Body("project_id")
    user_id = resource.Body("user_id")
    parameters = resource.Body("parameters", type=dict)
    state = resource.Body("state")
    reason = resource.Body("reason")
    code = resource.Body("code")
    remedy = resource.Body("remedy")
    step = resource.Body("step")
    progress = resource.Body("progress", type=int)
    pivot = resource.Body("pivot")
    cancel_requested = resource.Body("cancel_requested", type=bool)
    paused = resource.Body("paused", type=bool)
    decision = resource.Body("decision")
    not_before = resource.Body("not_before")
    #: Maintenance window, UTC: "sat,sun 22:00-04:00".
    window = resource.Body("window")
    #: URLs that are told; only when it is created, its parameters have them then.
    webhooks = resource.Body("webhooks", type=list)
    #: "", needed or given.
    approval = resource.Body("approval")
    approved_by = resource.Body("approved_by")
    #: The preview that it was started from.
    preview_id = resource.Body("preview_id")
    request_id = resource.Body("request_id")
    #: The one that the caller's request went by, if it said so.
    global_request_id = resource.Body("global_request_id")
    deadline = resource.Body("deadline")
    created_at = resource.Body("created_at")
    updated_at = resource.Body("updated_at")
    started_at = resource.Body("started_at")
    finished_at = resource.Body("finished_at")

    def act(self, session: Any, action: str, **more: str) -> "Job":
        """Say "approve", "start", "pause", "resume", "cancel", "confirm", "rollback", "retry", "skip-step" (with its
        ``step``) or "cleanup" to the job."""
        answer = session.post(f"{self.base_path}/{self.id}/actions", json={"action": action, **more})
        exceptions.raise_from_response(answer)
        self._translate_response(answer)
        return self

    def watch(self, session: Any, after: int = 0) -> Iterator[dict[str, Any]]:
        """Its events after the one with id ``after``, as they happen, until it has ended."""
        return follow(session, f"{self.base_path}/{self.id}/events", after)

    def steps(self, session: Any) -> dict[str, Any]:
        """ "steps", "remaining_seconds" and "blackout_ms", the last two None as long as nobody knows."""
        answer = session.get(f"{self.base_path}/{self.id}/steps")
        exceptions.raise_from_response(answer)
        told: dict[str, Any] = answer.json()
        return told

    def part(self, session: Any, name: str) -> Any:
        """What belongs to the job: "steps", "events", "resources" or "report"."""
        path, found = f"{self.base_path}/{self.id}/{name}", []
        while path:
            answer = session.get(path)
            exceptions.raise_from_response(answer)
            told = answer.json()
            if not isinstance(told[name], list):
                return told[name]
            found += told[name]
            following = (link["href"].removeprefix("/v1") for link in told.get("links", []) if link["rel"] == "next")
            path = next(following, "")
        return found
