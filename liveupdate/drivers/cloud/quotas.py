"""What a project may still make."""

from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud.errors import calling

#: What a limit reads where there is none.
UNLIMITED = -1


class Quotas:
    def __init__(self, compute: Any, block_storage: Any, network: Any) -> None:
        self._compute = compute
        self._storage = block_storage
        self._network = network

    def left(self, project_id: str) -> dict[str, int]:
        """name → how many more: instances, cores, ram (MiB), volumes, snapshots, gigabytes, port.

        Unlimited ones are left out.
        """
        with calling("read the project's quota"):
            answers = [
                self._compute.get(f"/os-quota-sets/{project_id}/detail", microversion="2.96"),
                self._storage.get(f"/os-quota-sets/{project_id}", params={"usage": "True"}, microversion="3.70"),
                self._network.get(f"/quotas/{project_id}/details.json"),
            ]
            for answer in answers:
                raise_from_response(answer)
        nova, cinder, neutron = (a.json() for a in answers)
        left: dict[str, int] = {}
        for quota in (nova["quota_set"], cinder["quota_set"], neutron["quota"]):
            left |= {name: n for name, told in quota.items() if (n := _left(told)) is not None}
        return left


def _left(told: Any) -> int | None:
    if not isinstance(told, dict) or told.get("limit") == UNLIMITED:
        return None
    used = told["in_use"] if "in_use" in told else told["used"]
    return int(told["limit"]) - int(used) - int(told.get("reserved") or 0)
