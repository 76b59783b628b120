"""A host group, as openstacksdk shows resources."""

from typing import Any

from openstack import exceptions, resource


class HostGroup(resource.Resource):
    resource_key = "host_group"
    resources_key = "host_groups"
    base_path = "/host-groups"

    allow_create = True
    allow_fetch = True
    allow_commit = True
    allow_delete = True
    allow_list = True
    commit_method = "PATCH"

    _query_mapping = resource.QueryParameters("policy", "sort")

    name = resource.Body("name", alternate_id=True)
    #: Holds the hosts that are in no other.
    is_default = resource.Body("default", type=bool)
    policy = resource.Body("policy")
    fill_ceiling = resource.Body("fill_ceiling", type=int)
    minimum_paths = resource.Body("minimum_paths", type=int)
    make_room = resource.Body("make_room", type=bool)
    without_metrics = resource.Body("without_metrics")
    hosts = resource.Body("hosts", type=list)
    faults = resource.Body("faults", type=list)

    def add_host(self, session: Any, host: str) -> "HostGroup":
        return self._changed(session.post(f"{self.base_path}/{self.id}/hosts", json={"host": host}))

    def remove_host(self, session: Any, host: str) -> "HostGroup":
        return self._changed(session.delete(f"{self.base_path}/{self.id}/hosts/{host}"))

    def _changed(self, answer: Any) -> "HostGroup":
        exceptions.raise_from_response(answer)
        self._translate_response(answer)
        return self
