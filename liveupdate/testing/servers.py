"""Servers of a cloud in memory, their flavor, and what they print; see cloud.py."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liveupdate.drivers.cloud.servers import HOST_FORBIDDEN, AttachedVolume, Flavor, Group, Server
from liveupdate.errors import Failed
from liveupdate.testing.storage import volume
from liveupdate.testing.verbs import Verbs

FLAVOR = Flavor("guest", 2, 1024, 0, 0, {})


def server(identifier: str, **changes: Any) -> Server:
    made = Server(
        id=identifier,
        name="server",
        project_id="project",
        user_id="user",
        status="ACTIVE",
        task_state="",
        locked=False,
        locked_reason="",
        fault="",
        host="host1",
        hostname="server",
        pinned_zone="",
        root_device="/dev/vda",
        description="a server",
        key_name="",
        config_drive=True,
        image_id="",
        flavor=FLAVOR,
        metadata={"owner": "me"},
        tags=("mine",),
        security_groups=("default",),
        server_groups=(),
    )
    return replace(made, **changes)


class Servers(Verbs):
    def get(self, server_id: str) -> Server | None:
        return self.world.servers.get(server_id)

    def all(self) -> list[Server]:
        return list(self.world.servers.values())

    def by_tag(self, tag: str) -> Server | None:
        return next((s for s in self.world.servers.values() if tag in s.tags), None)

    def user_data(self, server_id: str) -> str:
        return ""

    def groups(self, ids: Sequence[str]) -> list[Group]:
        return [self.world.groups[i] for i in ids]

    def volumes(self, server_id: str) -> list[AttachedVolume]:
        return list(self.world.attached.get(server_id, {}).values())

    def create(self, body: Mapping[str, Any], hints: Mapping[str, str], host: str = "") -> str:
        def work() -> str:
            if host and not self.world.host_may_be_named:
                raise Failed("no host may be named", code=HOST_FORBIDDEN)
            self._usable(body)
            identifier = self.world.new_id("server")
            # without a name, Nova's choice
            at = host or self.world.hosts[-1].name
            fault = self.world.faults.get(at, "")
            self.world.servers[identifier] = server(
                identifier,
                name=body["name"],
                hostname=body.get("hostname", body["name"]),
                host="" if fault else at,
                status="ERROR" if fault else "ACTIVE",
                fault=fault,
                metadata=dict(body["metadata"]),
                tags=tuple(body["tags"]),
                image_id=body.get("imageRef", ""),
            )
            self.world.attached[identifier] = {}
            for letter, disk in zip("abcdefgh", body["block_device_mapping_v2"], strict=False):
                if disk["source_type"] == "image":
                    continue
                volume_id = self._new_volume(disk) if disk["source_type"] == "snapshot" else disk["uuid"]
                self._plug(identifier, volume_id, f"/dev/vd{letter}", disk["delete_on_termination"])
            if port_id := body["networks"][0].get("port"):
                self.world.ports[port_id] = replace(self.world.ports[port_id], device_id=identifier, status="ACTIVE")
            return identifier

        return str(self._do("create_server", work))

    def _usable(self, body: Mapping[str, Any]) -> None:
        """Nova looks at all of it before it makes anything."""
        there: dict[str, Mapping[str, object]] = {
            "image": self.world.images,
            "snapshot": self.world.snapshots,
            "volume": self.world.volumes,
        }
        for disk in body["block_device_mapping_v2"]:
            kind = disk["source_type"]
            self._refuse(disk["uuid"] not in there[kind], f"no {kind} {disk['uuid']}")
            if kind == "volume":
                self._pluggable(disk["uuid"])
        if port_id := body["networks"][0].get("port"):
            there_port = self.world.ports.get(port_id)
            self._refuse(there_port is None, f"no port {port_id}")
            self._refuse(bool(there_port and there_port.device_id), f"port {port_id} is in use")

    def _new_volume(self, disk: Mapping[str, Any]) -> str:
        made = volume(self.world.new_id("volume"), name="", size=disk["volume_size"])
        self.world.volumes[made.id] = made
        return made.id

    def _plug(self, server_id: str, volume_id: str, device: str, dies: bool) -> None:
        on = self.world.attached.setdefault(server_id, {})
        on[volume_id] = AttachedVolume(volume_id, device, "", dies)
        self.world.update_volume(volume_id)

    def _pluggable(self, volume_id: str) -> None:
        found = self.world.volumes[volume_id]
        self._refuse(bool(found.servers) and not found.multiattach, f"volume {volume_id} is in use")

    def _there(self, server_id: str) -> Server:
        found = self.world.servers.get(server_id)
        if found is None:
            raise Failed(f"no server {server_id}", code="live-update.cloud.not-found", remedy="somebody removed it")
        return found

    def _changeable(self, server_id: str) -> Server:
        found = self._there(server_id)
        self._refuse(found.locked and not self.admin, f"server {server_id} is locked")
        return found

    def _set(self, server_id: str, **changes: Any) -> None:
        self.world.servers[server_id] = replace(self._changeable(server_id), **changes)

    def delete(self, server_id: str) -> None:
        def work() -> None:
            if server_id not in self.world.servers:
                return
            self._changeable(server_id)
            for plugged in self.world.attached.pop(server_id, {}).values():
                self.world.update_volume(plugged.volume_id)
                kept = any(s.volume_id == plugged.volume_id for s in self.world.snapshots.values())
                if plugged.delete_on_termination and not kept:
                    del self.world.volumes[plugged.volume_id]
            for found in [p for p in self.world.ports.values() if p.device_id == server_id]:
                self.world.ports[found.id] = replace(found, device_id="", status="DOWN")
            del self.world.servers[server_id]

        self._do("delete_server", work)

    def stop(self, server_id: str) -> None:
        self._do("stop_server", lambda: self._set(server_id, status="SHUTOFF"))

    def start(self, server_id: str) -> None:
        self._do("start_server", lambda: self._set(server_id, status="ACTIVE"))

    def reboot(self, server_id: str) -> None:
        self._do("reboot_server", lambda: self._set(server_id, task_state="reboot_started"))

    def on_host(self, host: str) -> list[Server]:
        return [s for s in self.world.servers.values() if s.host == host]

    def live_migrate(self, server_id: str, host: str) -> None:
        """At once, but for those in World.slow (which go on until they are stopped) and World.unmovable."""

        def work() -> None:
            if server_id in self.world.slow:
                self._set(server_id, status="MIGRATING")
            elif server_id not in self.world.unmovable:
                self._move(server_id, host)

        self._do("live_migrate", work)

    def _move(self, server_id: str, host: str) -> None:
        """With what it has allocated."""
        found = self.world.servers[server_id]
        asked = {"VCPU": found.flavor.vcpus, "MEMORY_MB": found.flavor.memory}
        for name, sign in ((found.host, -1), (host, 1)):
            if name in self.world.stocks:
                amounts = self.world.stocks[name].amounts
                changed = {k: (replace(a[0], used=a[0].used + sign * asked.get(k, 0)),) for k, a in amounts.items()}
                self.world.stocks[name] = replace(self.world.stocks[name], amounts=changed)
        self._set(server_id, host=host)

    def stop_migration(self, server_id: str) -> None:
        self._do("stop_migration", lambda: self._set(server_id, status="ACTIVE"))

    def lock(self, server_id: str, reason: str) -> None:
        self._do("lock_server", lambda: self._set(server_id, locked=True, locked_reason=reason))

    def unlock(self, server_id: str) -> None:
        self._do("unlock_server", lambda: self._set(server_id, locked=False, locked_reason=""))

    def rename(self, server_id: str, name: str, description: str) -> None:
        self._do("rename_server", lambda: self._set(server_id, name=name, description=description))

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        self._do("set_metadata", lambda: self._set(server_id, metadata=dict(metadata)))

    def set_tags(self, server_id: str, tags: Sequence[str]) -> None:
        self._do("set_tags", lambda: self._set(server_id, tags=tuple(tags)))

    def remove_tag(self, server_id: str, tag: str) -> None:
        def work() -> None:
            left = tuple(t for t in self._there(server_id).tags if t != tag)
            self._set(server_id, tags=left)

        self._do("remove_tag", work)

    def attach_volume(self, server_id: str, volume_id: str) -> None:
        def work() -> None:
            self._changeable(server_id)
            self._pluggable(volume_id)
            self._plug(server_id, volume_id, "/dev/vdb", False)

        self._do("attach_volume", work)

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        def work() -> None:
            root = self._changeable(server_id).root_device
            plugged = self.world.attached[server_id].get(volume_id)
            self._refuse(bool(plugged and plugged.device == root), "cannot detach a root device volume")
            self.world.attached[server_id].pop(volume_id, None)
            self.world.update_volume(volume_id)

        self._do("detach_volume", work)

    def set_delete_on_termination(self, server_id: str, volume_id: str, value: bool) -> None:
        def work() -> None:
            on = self.world.attached[self._there(server_id).id]
            on[volume_id] = replace(on[volume_id], delete_on_termination=value)

        self._do("set_delete_on_termination", work)

    def attach_port(self, server_id: str, port_id: str) -> None:
        def work() -> None:
            found = self.world.ports[port_id]
            self._refuse(bool(found.device_id), f"port {port_id} is in use")
            self.world.ports[port_id] = replace(found, device_id=self._there(server_id).id, status="ACTIVE")

        self._do("attach_port", work)

    def detach_port(self, server_id: str, port_id: str) -> None:
        def work() -> None:
            if (found := self.world.ports.get(port_id)) and found.device_id == server_id:
                self.world.ports[port_id] = replace(found, device_id="", status="DOWN")

        self._do("detach_port", work)


class Consoles(Verbs):
    def output(self, server_id: str) -> str:
        """As Nova: not of a server that is off."""
        server = self.world.servers.get(server_id)
        self._refuse(server is None or server.status == "SHUTOFF", f"no console of {server_id}")
        return self.world.consoles.get(server_id, "")


class Flavors:
    def id_of(self, flavor: Flavor) -> str:
        return f"id-of-{flavor.name}"

    def get(self, flavor_id: str) -> Flavor | None:
        return FLAVOR if flavor_id == self.id_of(FLAVOR) else None
