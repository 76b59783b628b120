"""Servers: read, lock, boot, stop, delete, and the volumes and NICs on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud.errors import calling, missing
from liveupdate.errors import Failed

#: Of Failed: see Servers.create.
HOST_FORBIDDEN = "live-update.cloud.host-forbidden"
#: Nova's rule for naming a host that its scheduler judges, and what tells that our service stands behind a request.
_DESTINATION = "compute:servers:create:requested_destination"
_VOUCHED = "service_roles:service"
#: Nova tells swap in MiB.
_MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Flavor:
    """A flavor as it was when the server was made. ``memory`` in MiB, ``disk`` in GiB."""

    name: str
    vcpus: int
    memory: int
    disk: int
    #: GiB of ephemeral disk and swap that live on the host, rounded up.
    local_disk: int
    extra_specs: Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """``host`` is "" for those who may not see it; ``state`` is "STATUS/task_state", as watches use it."""

    id: str
    name: str
    project_id: str
    user_id: str
    status: str
    task_state: str
    locked: bool
    locked_reason: str
    fault: str
    host: str
    hostname: str
    #: The zone that its owner asked for; "" if none.
    pinned_zone: str
    root_device: str
    description: str
    key_name: str
    config_drive: bool
    image_id: str
    flavor: Flavor
    metadata: Mapping[str, str]
    tags: tuple[str, ...]
    security_groups: tuple[str, ...]
    server_groups: tuple[str, ...]

    @property
    def state(self) -> str:
        return f"{self.status}/{self.task_state}"


@dataclass(frozen=True)
class AttachedVolume:
    volume_id: str
    device: str
    tag: str
    delete_on_termination: bool


@dataclass(frozen=True)
class Group:
    """A server group; ``policy`` is affinity, anti-affinity or one of their soft forms."""

    id: str
    name: str
    policy: str
    members: tuple[str, ...]
    #: Members that hard anti-affinity allows on one host.
    per_host: int = 1


class Servers:
    """``service_token`` gives a token of the service user's."""

    def __init__(self, compute: Any, service_token: Callable[[], str] = str) -> None:
        self._compute = compute
        self._service_token = service_token

    def get(self, server_id: str) -> Server | None:
        """None if there is no such server (any more)."""
        with calling(f"read server {server_id}"):
            try:
                return _server(self._compute.get_server(server_id))
            except Exception as error:
                if missing(error):
                    return None
                raise

    def by_tag(self, tag: str) -> Server | None:
        with calling(f"look for a server tagged {tag}"):
            found = [_server(s) for s in self._compute.servers(details=True, tags=tag)]
        return found[0] if found else None

    def all(self) -> list[Server]:
        """Of every project. Administrators only."""
        with calling("list the servers"):
            return [_server(s) for s in self._compute.servers(details=True, all_projects=True)]

    def on_host(self, host: str) -> list[Server]:
        """Of every project. Administrators only."""
        with calling(f"list the servers of host {host}"):
            # under the name "host" openstacksdk filters by another field, and finds nothing
            return [_server(s) for s in self._compute.servers(details=True, all_projects=True, compute_host=host)]

    def states(self) -> dict[str, str]:
        """Server id → "STATUS/task_state" of every server of every project: the shared look of all waiting jobs."""
        with calling("list the servers"):
            listed = self._compute.servers(details=True, all_projects=True)
            return {s.id: f"{s.status}/{s.task_state or ''}" for s in listed}

    def create(self, body: Mapping[str, Any], hints: Mapping[str, str], host: str = "") -> str:
        """POST /servers with ``body`` in Nova's own names; return the id, long before the server is ACTIVE.

        ``host`` is asked for explicitly, and judged by Nova's scheduler; the service's own token vouches for that.
        Raises Failed with code HOST_FORBIDDEN if Nova's policy does not let the service name a host.
        """
        request = {"server": dict(body) | ({"host": host} if host else {}), "os:scheduler_hints": dict(hints)}
        headers = {"X-Service-Token": self._service_token()} if host else {}
        with calling("create the server", creates=True):
            answer = self._compute.post("/servers", json=request, headers=headers, microversion="2.96")
            if answer.status_code == HTTPStatus.FORBIDDEN and _DESTINATION in answer.text:
                raise Failed(
                    "Nova's policy does not let the service name a host",
                    code=HOST_FORBIDDEN,
                    remedy=f'let it in Nova\'s policy.yaml: "{_DESTINATION}": "rule:context_is_admin or {_VOUCHED}"',
                )
            raise_from_response(answer)
            return str(answer.json()["server"]["id"])

    def user_data(self, server_id: str) -> str:
        """What the server was booted with, base64; "" if none. Administrators only; it may hold secrets."""
        with calling(f"read server {server_id}"):
            return str(self._compute.get_server(server_id).user_data or "")

    def delete(self, server_id: str) -> None:
        with calling(f"delete server {server_id}"):
            self._compute.delete_server(server_id, ignore_missing=True)

    def stop(self, server_id: str) -> None:
        """Ask the guest to shut down, and pull the plug if it does not."""
        with calling(f"stop server {server_id}"):
            self._compute.stop_server(server_id)

    def start(self, server_id: str) -> None:
        with calling(f"start server {server_id}"):
            self._compute.start_server(server_id)

    def reboot(self, server_id: str) -> None:
        """Ask the guest to shut down and start it anew; pull the plug if it does not."""
        with calling(f"reboot server {server_id}"):
            self._compute.reboot_server(server_id, "SOFT")

    def live_migrate(self, server_id: str, host: str) -> None:
        """Answers long before it has moved; Nova's scheduler judges the host."""
        body = {"os-migrateLive": {"host": host, "block_migration": "auto"}}
        with calling(f"move server {server_id} to host {host}"):
            raise_from_response(self._compute.post(f"/servers/{server_id}/action", json=body, microversion="2.96"))

    def stop_migration(self, server_id: str) -> None:
        """It stays where it is; nothing happens if it does not move."""
        path = f"/servers/{server_id}/migrations"
        with calling(f"stop the migration of server {server_id}"):
            answer = self._compute.get(path, microversion="2.96")
            raise_from_response(answer)
            for migration in answer.json()["migrations"]:
                stopped = self._compute.delete(f"{path}/{migration['id']}", microversion="2.96")
                # 400: it has ended meanwhile, or is at its very end
                if stopped.status_code not in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
                    raise_from_response(stopped)

    def lock(self, server_id: str, reason: str) -> None:
        with calling(f"lock server {server_id}"):
            self._compute.lock_server(server_id, locked_reason=reason)

    def unlock(self, server_id: str) -> None:
        with calling(f"unlock server {server_id}"):
            self._compute.unlock_server(server_id)

    def rename(self, server_id: str, name: str, description: str) -> None:
        with calling(f"rename server {server_id}"):
            self._compute.update_server(server_id, name=name, description=description or None)

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        """Make ``metadata`` all that there is."""
        path, body = f"/servers/{server_id}/metadata", {"metadata": dict(metadata)}
        with calling(f"set the metadata of server {server_id}"):
            raise_from_response(self._compute.put(path, json=body, microversion="2.96"))

    def set_tags(self, server_id: str, tags: Sequence[str]) -> None:
        """Make ``tags`` all that there are."""
        with calling(f"set the tags of server {server_id}"):
            path, body = f"/servers/{server_id}/tags", {"tags": list(tags)}
            raise_from_response(self._compute.put(path, json=body, microversion="2.96"))

    def groups(self, ids: Sequence[str]) -> list[Group]:
        with calling("read the server's groups"):
            found = [self._compute.get_server_group(i) for i in ids]
        return [_group(g) for g in found]

    def remove_tag(self, server_id: str, tag: str) -> None:
        """Nothing happens if it is not there."""
        with calling(f"remove a tag of server {server_id}"):
            answer = self._compute.delete(f"/servers/{server_id}/tags/{tag}", microversion="2.96")
            if answer.status_code != HTTPStatus.NOT_FOUND:
                raise_from_response(answer)

    # -- volumes on servers ----------------------------------------------------------------------------------------

    def volumes(self, server_id: str) -> list[AttachedVolume]:
        with calling(f"list the volumes of server {server_id}"):
            try:
                listed = list(self._compute.volume_attachments(server_id))
            except Exception as error:
                if missing(error):
                    return []
                raise
        return [AttachedVolume(a.volume_id, a.device or "", a.tag or "", bool(a.delete_on_termination)) for a in listed]

    def attach_volume(self, server_id: str, volume_id: str) -> None:
        with calling(f"attach volume {volume_id} to server {server_id}", creates=True):
            self._compute.create_volume_attachment(server_id, volume_id=volume_id)

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        """Answers before the guest has let go of it."""
        with calling(f"detach volume {volume_id} from server {server_id}"):
            self._compute.delete_volume_attachment(server_id, volume_id, ignore_missing=True)

    def set_delete_on_termination(self, server_id: str, volume_id: str, value: bool) -> None:
        body = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": value}}
        path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
        with calling(f"set delete_on_termination of volume {volume_id}"):
            raise_from_response(self._compute.put(path, json=body, microversion="2.96"))

    # -- NICs of servers -------------------------------------------------------------------------------------------

    def attach_port(self, server_id: str, port_id: str) -> None:
        with calling(f"attach port {port_id} to server {server_id}", creates=True):
            self._compute.create_server_interface(server_id, port_id=port_id)

    def detach_port(self, server_id: str, port_id: str) -> None:
        with calling(f"detach port {port_id} from server {server_id}"):
            self._compute.delete_server_interface(port_id, server=server_id, ignore_missing=True)


def _group(g: Any) -> Group:
    per_host = int((g.rules or {}).get("max_server_per_host") or 1)
    return Group(g.id, g.name, g.policy or "", tuple(g.member_ids or ()), per_host)


def local_disk(ephemeral: object, swap: object) -> int:
    """GiB, of what Nova tells of a flavor: GiB of ephemeral disk, MiB of swap, and None or "" for neither."""
    return int(str(ephemeral or 0)) + -(-int(str(swap or 0)) // _MIB_PER_GIB)


def _server(s: Any) -> Server:
    fault = s.fault or {}
    flavor = s.flavor or {}
    return Server(
        id=s.id,
        name=s.name or "",
        project_id=s.project_id or "",
        user_id=s.user_id or "",
        status=s.status or "BUILD",
        task_state=s.task_state or "",
        locked=bool(s.is_locked),
        locked_reason=s.locked_reason or "",
        fault=fault.get("message", "") if isinstance(fault, Mapping) else str(fault),
        host=s.compute_host or "",
        hostname=s.hostname or "",
        pinned_zone=s.pinned_availability_zone or "",
        root_device=s.root_device_name or "",
        description=s.description or "",
        key_name=s.key_name or "",
        config_drive=bool(s.has_config_drive),
        image_id=(s.image.id or "") if s.image else "",
        flavor=Flavor(
            name=flavor.get("original_name") or "",
            vcpus=int(flavor.get("vcpus") or 0),
            memory=int(flavor.get("ram") or 0),
            disk=int(flavor.get("disk") or 0),
            local_disk=local_disk(flavor.get("ephemeral"), flavor.get("swap")),
            extra_specs=dict(flavor.get("extra_specs") or {}),
        ),
        metadata=dict(s.metadata or {}),
        tags=tuple(s.tags or ()),
        security_groups=tuple(g["name"] for g in s.security_groups or ()),
        server_groups=tuple(s.server_groups or ()),
    )
