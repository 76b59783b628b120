"""A golden image: captured from a server, as openstacksdk shows resources."""

from typing import Any

from openstack import exceptions, resource

from liveupdate.client.idempotency import keyed
from liveupdate.client.job import Job
from liveupdate.client.preview import Preview


class Image(resource.Resource):
    resource_key = "image"
    resources_key = "images"
    base_path = "/images"

    allow_fetch = True
    allow_list = True

    _query_mapping = resource.QueryParameters("name", "status", "kernel", "source_server_id", "sort")

    status = resource.Body("status")
    project_id = resource.Body("project_id")
    #: GiB, of all its disks.
    size = resource.Body("size", type=int)
    min_disk = resource.Body("min_disk", type=int)
    min_ram = resource.Body("min_ram", type=int)
    #: snapshot_id and size of each; the first is booted from.
    disks = resource.Body("disks", type=list)
    #: The one that servers from this image run.
    kernel = resource.Body("kernel")
    packages_sha256 = resource.Body("packages_sha256")
    source_server_id = resource.Body("source_server_id")
    source_image_id = resource.Body("source_image_id")
    captured_at = resource.Body("captured_at")
    #: The job that made it.
    job_id = resource.Body("job_id")

    @classmethod
    def capture(cls, session: Any, attributes: dict[str, Any]) -> Job:
        return Job.existing(**cls._ask(session, "image", attributes)["job"])

    @classmethod
    def check(cls, session: Any, attributes: dict[str, Any]) -> Preview:
        return Preview.existing(**cls._ask(session, "preview", attributes)["preview"])

    @classmethod
    def _ask(cls, session: Any, what: str, attributes: dict[str, Any]) -> Any:
        headers, asked = keyed(attributes)
        return _told(session.post(cls.base_path, json={what: asked}, headers=headers))

    def deploy(self, session: Any, attributes: dict[str, Any]) -> Job:
        headers, asked = keyed(attributes)
        path = f"{self.base_path}/{self.id}/actions"
        answer = session.post(path, json={"action": "deploy", **asked}, headers=headers)
        return Job.existing(**_told(answer)["job"])

    def end(self, session: Any, **key: Any) -> Job:
        answer = session.delete(f"{self.base_path}/{self.id}", headers=keyed(key)[0])
        return Job.existing(**_told(answer)["job"])


def _told(answer: Any) -> Any:
    exceptions.raise_from_response(answer)
    return answer.json()
