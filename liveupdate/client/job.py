"""A live-update job, as openstacksdk shows resources."""

from typing import Any

from openstack import exceptions, resource


class Job(resource.Resource):
    resource_key = "job"
    resources_key = "jobs"
    base_path = "/jobs"

    allow_create = True
    allow_fetch = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "state", "method", "server_id", "sort", "all_projects", changes_since="changes-since"
    )

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
    decision = resource.Body("decision")
    request_id = resource.Body("request_id")
    deadline = resource.Body("deadline")
    created_at = resource.Body("created_at")
    updated_at = resource.Body("updated_at")
    started_at = resource.Body("started_at")
    finished_at = resource.Body("finished_at")

    def act(self, session: Any, action: str) -> "Job":
        """Say "cancel", "confirm", "rollback" or "retry" to the job."""
        answer = session.post(f"{self.base_path}/{self.id}/actions", json={"action": action})
        exceptions.raise_from_response(answer)
        self._translate_response(answer)
        return self

    def part(self, session: Any, name: str) -> Any:
        """What belongs to the job: "steps", "events", "resources" or "report"."""
        answer = session.get(f"{self.base_path}/{self.id}/{name}")
        exceptions.raise_from_response(answer)
        return answer.json()[name]
