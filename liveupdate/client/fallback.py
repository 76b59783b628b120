"""What an update has kept to return to, as openstacksdk shows resources."""

from typing import Any

from openstack import exceptions, resource

from liveupdate.client.idempotency import keyed
from liveupdate.client.job import Job
from liveupdate.client.preview import Preview


class Fallback(resource.Resource):
    resource_key = "fallback"
    resources_key = "fallbacks"
    base_path = "/fallbacks"

    allow_fetch = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters("server_id", "sort", "all_projects", changes_since="changes-since")

    #: The server that serves now, and would be brought back.
    server = resource.Body("server", type=dict)
    original_server_id = resource.Body("original_server_id")
    project_id = resource.Body("project_id")
    #: snapshot, backup or image.
    kind = resource.Body("kind")
    #: GiB, of all its parts.
    size = resource.Body("size", type=int)
    parts = resource.Body("parts", type=list)
    made_at = resource.Body("made_at")
    kept_until = resource.Body("kept_until")
    #: The job that is at work on it, if any.
    job = resource.Body("job", type=dict)

    def end(self, session: Any, **key: Any) -> Job:
        """End it before its time; the job that does."""
        answer = session.delete(f"{self.base_path}/{self.id}", headers=keyed(key)[0])
        exceptions.raise_from_response(answer)
        return Job.existing(**answer.json()["job"])

    def restore(self, session: Any, **parameters: Any) -> Job:
        """Bring its server back; the job that does."""
        return Job.existing(**self._act(session, "restore", parameters)["job"])

    def preview(self, session: Any, **parameters: Any) -> Preview:
        """The checks of a restore, which touch nothing."""
        return Preview.existing(**self._act(session, "preview", parameters)["preview"])

    def _act(self, session: Any, action: str, parameters: dict[str, Any]) -> Any:
        headers, asked = keyed(parameters)
        path = f"{self.base_path}/{self.id}/actions"
        answer = session.post(path, json={"action": action, **asked}, headers=headers)
        exceptions.raise_from_response(answer)
        return answer.json()
