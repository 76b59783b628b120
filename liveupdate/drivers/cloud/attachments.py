"""Cinder's record of who is connected to a volume, and over which paths. Nova makes one for each volume on a server; a
guest that logs in to its storage by itself has one made in its server's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from liveupdate.drivers.cloud.errors import calling, missing


@dataclass(frozen=True)
class Path:
    """``portal`` is "address:port"; "" where there is none (Fibre Channel)."""

    portal: str
    #: Name of the iSCSI target, or WWN of the port.
    target: str
    lun: int


@dataclass(frozen=True)
class Attachment:
    """``protocol`` as Cinder calls it, "" as long as nobody is connected."""

    id: str
    volume_id: str
    server_id: str
    protocol: str
    #: None: the storage is reached over the network, and sees to its redundancy itself (docs/decisions/0011).
    paths: tuple[Path, ...] | None


@dataclass(frozen=True)
class Chap:
    """How an initiator proves itself; "" where nobody asks. Never to be stored or told."""

    user: str = ""
    secret: str = field(default="", repr=False)


class Attachments:
    def __init__(self, block_storage: Any) -> None:
        self._storage = block_storage

    def get(self, attachment_id: str) -> Attachment | None:
        found = self._read(attachment_id)
        return _attachment(found) if found else None

    def of_server(self, server_id: str) -> list[Attachment]:
        """Of every project's volumes, for administrators."""
        with calling(f"list the attachments of server {server_id}"):
            listed = self._storage.attachments(instance_id=server_id, all_projects=True)
            return [_attachment(found) for found in listed if found.instance == server_id]

    def create(self, volume_id: str, server_id: str, connector: Mapping[str, Any]) -> str:
        """The id of a new one in the server's name, in use from now on."""
        with calling(f"attach volume {volume_id} for server {server_id}", creates=True):
            made = self._storage.create_attachment(volume_id, connector=dict(connector), instance=server_id, mode="rw")
            self._storage.complete_attachment(made)
        return str(made.id)

    def chap(self, attachment_id: str) -> Chap:
        told = (found.connection_info or {}) if (found := self._read(attachment_id)) else {}
        if told.get("auth_method") != "CHAP":
            return Chap()
        return Chap(str(told.get("auth_username") or ""), str(told.get("auth_password") or ""))

    def delete(self, attachment_id: str) -> None:
        with calling(f"delete attachment {attachment_id}"):
            self._storage.delete_attachment(attachment_id, ignore_missing=True)

    def _read(self, attachment_id: str) -> Any:
        with calling(f"read attachment {attachment_id}"):
            try:
                return self._storage.get_attachment(attachment_id)
            except Exception as error:
                if missing(error):
                    return None
                raise


def _attachment(found: Any) -> Attachment:
    told = found.connection_info or {}
    protocol = str(told.get("driver_volume_type") or "")
    return Attachment(found.id, found.volume_id, found.instance or "", protocol, _paths(protocol, told))


def _paths(protocol: str, told: Mapping[str, Any]) -> tuple[Path, ...] | None:
    if protocol in ("iscsi", "iser"):
        # the lists are there if the connector can do with more than one
        portals = told.get("target_portals") or [told.get("target_portal")]
        targets = told.get("target_iqns") or [told.get("target_iqn")] * len(portals)
        luns = told.get("target_luns") or [told.get("target_lun")] * len(portals)
        return tuple(Path(str(p), str(t), int(n or 0)) for p, t, n in zip(portals, targets, luns, strict=True))
    if protocol == "fibre_channel":
        return tuple(Path("", target, int(told.get("target_lun") or 0)) for target in _fabric(told))
    if protocol == "nvmeof" and told.get("portals"):
        return tuple(Path(f"{a}:{port}", str(told.get("target_nqn")), 0) for a, port, *_ in told["portals"])
    return None


def _fabric(told: Mapping[str, Any]) -> list[str]:
    """The ports of the storage, once for each of the host's that sees it."""
    if seen := told.get("initiator_target_map"):
        return [str(target) for targets in seen.values() for target in targets]
    targets = told.get("target_wwn") or []
    return [targets] if isinstance(targets, str) else [str(target) for target in targets]
