"""Users, roles and the service catalog. Runs in the lab's environment: python -m lab.catalog

Must be complete before Nova's services start: they die of a refused login.
"""

from typing import Any

import openstack

from lab import oslo, settings
from lab.clouds import USERS, User
from lab.passwords import password

#: Type, name, port and path of each service Keystone does not know by itself.
SERVICES = (
    ("image", "glance", settings.GLANCE_PORT, ""),
    ("placement", "placement", settings.PLACEMENT_PORT, ""),
    ("compute", "nova", settings.NOVA_PORT, "/v2.1"),
    ("network", "neutron", settings.NEUTRON_PORT, ""),
    ("block-storage", "cinder", settings.CINDER_PORT, "/v3"),
)


def main() -> None:
    identity = openstack.connect(cloud="admin").identity
    for user in (*USERS, User(oslo.SERVICE_USER, "service", ("admin", "service"))):
        _user(identity, user)
    for kind, name, port, path in SERVICES:
        public, internal = (
            f"http://{ip}:{port}{path}" for ip in (settings.PUBLIC_ADDRESS, settings.MANAGEMENT_ADDRESS)
        )
        _service(identity, kind, name, {"public": public, "internal": internal})
    own = f"http://{settings.PUBLIC_ADDRESS}:{settings.LIVEUPDATE_PORT}"
    _service(identity, "live-update", "liveupdate", {"public": own, "internal": own})


def _user(identity: Any, user: User) -> None:
    domain = "default"
    project = identity.find_project(user.project) or identity.create_project(name=user.project, domain_id=domain)
    account = identity.find_user(user.name) or identity.create_user(
        name=user.name, password=password(user.name), domain_id=domain, default_project_id=project.id
    )
    for name in user.roles:
        role = identity.find_role(name) or identity.create_role(name=name)
        identity.assign_project_role_to_user(project, account, role)


def _service(identity: Any, kind: str, name: str, urls: dict[str, str]) -> None:
    service = identity.find_service(name) or identity.create_service(type=kind, name=name)
    known = {endpoint.interface for endpoint in identity.endpoints(service_id=service.id)}
    for interface, url in urls.items():
        if interface not in known:
            identity.create_endpoint(service_id=service.id, interface=interface, region_id=settings.REGION, url=url)


if __name__ == "__main__":
    main()
