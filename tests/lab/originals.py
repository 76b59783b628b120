"""Servers on simulated hosts, for jobs to work on: as a user has them, and in a project of their own."""

import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import openstack
from openstack.connection import Connection

from lab import settings
from lab.demo import inventory
from lab.settings import PATIENCE

#: What a project has with one server of ``boot`` in it, and nothing else.
_ONE_SERVER = {"servers": 1, "ports": 1, "volumes": 2, "attachments": 2}
_NOTHING = ("locks", "address pairs", "snapshots", "trusts")


def boot(user: Any, name: str, *, local_root: bool = False) -> Any:
    """The server, with a port and a multiattach data volume of its own, and a boot volume that dies with it.

    ``local_root``: with a root disk of its host instead, made from an image. ``user``: openstacksdk's connection.
    """
    storage, compute = user.block_storage, user.compute
    port = user.network.create_port(network_id=user.network.find_network("lab", ignore_missing=False).id, name=name)
    image = user.image.find_image("tiny", ignore_missing=False).id
    data = storage.create_volume(name=f"{name}-data", size=1, volume_type="ceph-multiattach")
    source: dict[str, Any] = {"image_id": image}
    if not local_root:
        root = storage.create_volume(name=f"{name}-root", size=1, image_id=image, volume_type="ceph")
        storage.wait_for_status(root, "available", ["error"], interval=0.5, wait=PATIENCE)
        disk = {"uuid": root.id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
        source = {"block_device_mapping": [{**disk, "delete_on_termination": True}]}
    storage.wait_for_status(data, "available", ["error"], interval=0.5, wait=PATIENCE)
    made = compute.create_server(
        name=name,
        flavor_id=compute.find_flavor("tiny", ignore_missing=False).id,
        networks=[{"port": port.id}],
        metadata={"owner": "me"},
        tags=["mine"],
        config_drive=True,
        **source,
    )
    compute.wait_for_server(made, interval=0.5, wait=PATIENCE)
    compute.create_volume_attachment(made.id, volume_id=data.id)
    storage.wait_for_status(storage.get_volume(data.id), "in-use", ["error"], interval=0.5, wait=PATIENCE)
    return compute.get_server(made.id)


def trust(admin: Any, user: Any) -> str:
    """The id of one by which the service works in the user's name."""
    asked = {
        "trustor_user_id": user.current_user_id,
        "trustee_user_id": admin.identity.find_user("liveupdate").id,
        "project_id": user.current_project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
    }
    answer = user.identity.post("/OS-TRUST/trusts", json={"trust": asked})
    openstack.exceptions.raise_from_response(answer)
    return str(answer.json()["trust"]["id"])


@dataclass(frozen=True)
class Tenant:
    """A project with one user. ``admin``, ``user``: openstacksdk's connections, an administrator's and that user's."""

    admin: Any
    user: Any
    name: str

    @property
    def project_id(self) -> str:
        return str(self.user.current_project_id)

    def server(self) -> str:
        """Its id. The one that is there, as long as all is well with it and nothing else is there."""
        there = inventory.take(self.user)
        whole = all(len(there[kind]) == count for kind, count in _ONE_SERVER.items())
        if whole and not any(there[kind] for kind in _NOTHING):
            [identifier] = there["servers"]
            if self.admin.compute.get_server(identifier).status == "ACTIVE":
                return identifier
        self.sweep()
        return str(boot(self.user, self.name).id)

    def trust(self) -> str:
        return trust(self.admin, self.user)

    def use_up_quota(self) -> None:
        self.admin.compute.update_quota_set(self.project_id, instances=0, force=True)
        self.admin.block_storage.update_quota_set(self.project_id, volumes=0, snapshots=0)
        self.admin.network.update_quota(self.project_id, ports=0, force=True)

    def restore_quota(self) -> None:
        self.admin.compute.revert_quota_set(self.project_id)
        self.admin.block_storage.revert_quota_set(self.project_id)
        self.admin.network.delete_quota(self.project_id)

    def sweep(self) -> None:
        """Everything goes."""
        user, storage = self.user, self.user.block_storage
        for server in list(user.compute.servers()):
            # an administrator's: it may be locked
            self.admin.compute.delete_server(server.id)
            self.admin.compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)
        for port in list(user.network.ports(project_id=self.project_id)):
            user.network.delete_port(port)
        for image in list(user.image.images(owner=self.project_id)):
            user.image.delete_image(image)
        for found, delete in (
            # an administrator may force it
            (storage.snapshots, self.admin.block_storage.delete_snapshot),
            (storage.volumes, self.admin.block_storage.delete_volume),
        ):
            for each in list(found()):
                if each.status != "deleting":
                    delete(each, force=each.status == "error_deleting")
                storage.wait_for_delete(each, interval=0.5, wait=PATIENCE)
        for identifier in inventory.take(user)["trusts"]:
            user.identity.delete(f"/OS-TRUST/trusts/{identifier}")


@contextmanager
def tenant(admin: Any) -> Iterator[Tenant]:
    """Made in the lab's cloud, and taken away again with all that is in it."""
    name, password, identity = f"tenant-{uuid.uuid4().hex[:6]}", secrets.token_urlsafe(), admin.identity
    made: list[Callable[[], object]] = []
    try:
        project = identity.create_project(name=name, domain_id="default")
        made.append(partial(identity.delete_project, project))
        user = identity.create_user(name=name, password=password, domain_id="default")
        made.append(partial(identity.delete_user, user))
        identity.assign_project_role_to_user(project, user, identity.find_role("member", ignore_missing=False))
        shared = admin.network.create_rbac_policy(
            object_type="network",
            object_id=admin.network.find_network("lab", ignore_missing=False).id,
            action="access_as_shared",
            target_project_id=project.id,
        )
        made.append(partial(admin.network.delete_rbac_policy, shared))
        auth = {"auth_url": admin.config.config["auth"]["auth_url"], "username": name, "password": password}
        scope = {"project_id": project.id, "user_domain_id": "default"}
        connection = Connection(auth=auth | scope, region_name=settings.REGION, identity_api_version="3")
        own = Tenant(admin, connection, name)
        made += [partial(_forget_network, admin, project.id), own.restore_quota, own.sweep]
        yield own
    finally:
        for undo in reversed(made):
            undo()


def _forget_network(admin: Any, project_id: str) -> None:
    """Neutron has given it a security group."""
    for group in list(admin.network.security_groups(project_id=project_id)):
        admin.network.delete_security_group(group)
