"""Cinder's driver for volumes in Ceph that who has an iSCSI initiator gets by iSCSI, on every portal; others get rbd.

One target a volume, of LUN 1. As an array would, it lets in only initiators that have an attachment, with CHAP.
Runs in cinder-volume: see lab/iscsi.py.
"""

import re
from collections.abc import Sequence
from typing import Any

from cinder import interface, utils
from cinder.volume import volume_utils
from cinder.volume.drivers import rbd
from oslo_concurrency import processutils

_LUN = 1
_TARGET = re.compile(r"^Target (\d+): (\S+)$", re.MULTILINE)


@interface.volumedriver
class LabIscsiDriver(rbd.RBDDriver):  # type: ignore[misc]
    """Exports live in tgtd's memory alone: ensure_export makes them again."""

    CI_WIKI_NAME = "none"

    def create_export(self, context: Any, volume: Any, connector: Any) -> dict[str, str] | None:
        initiator = _initiator(connector)
        if not initiator:
            return None
        login = f"CHAP {volume_utils.generate_username()} {volume_utils.generate_password()}"
        login = volume.provider_auth or login
        self._export(volume, login, [initiator])
        return {"provider_auth": login}

    def ensure_export(self, context: Any, volume: Any) -> None:
        if initiators := _initiators(volume):
            self._export(volume, volume.provider_auth, initiators)

    def initialize_connection(self, volume: Any, connector: Any) -> dict[str, Any]:
        if not _initiator(connector):
            connection: dict[str, Any] = super().initialize_connection(volume, connector)
            return connection
        _, user, secret = volume.provider_auth.split()
        iqn, portals = self._iqn(volume), self._portals()
        data = {"target_discovered": False, "volume_id": volume.id, "encrypted": False}
        data |= {"target_iqn": iqn, "target_portal": portals[0], "target_lun": _LUN}
        data |= {"auth_method": "CHAP", "auth_username": user, "auth_password": secret}
        if connector.get("multipath"):
            data["target_portals"] = portals
            data["target_iqns"] = [iqn] * len(portals)
            data["target_luns"] = [_LUN] * len(portals)
        return {"driver_volume_type": "iscsi", "data": data}

    def terminate_connection(self, volume: Any, connector: Any, **kwargs: Any) -> bool:
        """Whether others still need the export."""
        left = _initiators(volume)
        if (initiator := _initiator(connector)) in left:
            left.remove(initiator)
            if initiator not in left:
                self._shut_out(volume, initiator)
        return bool(left)

    @utils.synchronized("lab-iscsi")  # type: ignore[untyped-decorator]
    def remove_export(self, context: Any, volume: Any) -> None:
        if tid := _targets().get(self._iqn(volume)):
            _tgtadm("target", "delete", "--force", "--tid", tid)

    def delete_volume(self, volume: Any) -> None:
        self.remove_export(None, volume)  # tgtd would hold the image open
        super().delete_volume(volume)

    @utils.synchronized("lab-iscsi")  # type: ignore[untyped-decorator]
    def _export(self, volume: Any, login: str, initiators: Sequence[str]) -> None:
        """The volume's target, made unless it is there, and open to these initiators also."""
        iqn, targets = self._iqn(volume), _targets()
        if iqn not in targets:
            tid = next(str(number) for number in range(1, 1 << 16) if str(number) not in targets.values())
            try:
                self._make(volume, tid, login)
            except Exception:
                _tgtadm("target", "delete", "--force", "--tid", tid, allowed="can't find the target")
                raise
            targets[iqn] = tid
        for initiator in initiators:
            _tgtadm("target", "bind", "--tid", targets[iqn], "-Q", initiator, allowed="already exists")

    def _make(self, volume: Any, tid: str, login: str) -> None:
        settings = self.configuration
        _tgtadm("target", "new", "--tid", tid, "--targetname", self._iqn(volume))
        store = ["--bstype", "rbd", "--bsopts", f"conf={settings.rbd_ceph_conf};id={settings.rbd_user}"]
        image = f"{settings.rbd_pool}/{volume.name}"
        _tgtadm("logicalunit", "new", "--tid", tid, "--lun", _LUN, *store, "--backing-store", image)
        # the disk's WWID; without it the number of the target would be in it, which is another volume's tomorrow
        identity = volume.id.replace("-", "")
        parameters = f"vendor_id=LAB,product_id=CEPH,scsi_id={identity},scsi_sn={identity}"
        _tgtadm("logicalunit", "update", "--tid", tid, "--lun", _LUN, "--params", parameters)
        _, user, secret = login.split()
        # tgtadm takes the secret no other way; on the lab's machine there is nobody to see it
        _tgtadm("account", "new", "--user", user, "--password", secret, allowed="already exists")
        _tgtadm("account", "bind", "--tid", tid, "--user", user)

    @utils.synchronized("lab-iscsi")  # type: ignore[untyped-decorator]
    def _shut_out(self, volume: Any, initiator: str) -> None:
        if tid := _targets().get(self._iqn(volume)):
            _tgtadm("target", "unbind", "--tid", tid, "-Q", initiator, allowed="does not exist")

    def _iqn(self, volume: Any) -> str:
        return f"{self.configuration.target_prefix}{volume.name}"

    def _portals(self) -> list[str]:
        addresses = [self.configuration.target_ip_address, *self.configuration.target_secondary_ip_addresses]
        return [f"{address}:{self.configuration.target_port}" for address in addresses]


def _initiator(connector: Any) -> str:
    """The connector's initiator name; "": whoever asks has none, as Nova's hosts here."""
    return str((connector or {}).get("initiator") or "")


def _initiators(volume: Any) -> list[str]:
    """Those of the volume's attachments, one for each."""
    return [name for attachment in volume.volume_attachment if (name := _initiator(attachment.connector))]


def _targets() -> dict[str, str]:
    """Name → number."""
    return {name: number for number, name in _TARGET.findall(_tgtadm("target", "show"))}


def _tgtadm(mode: str, operation: str, *arguments: object, allowed: str = "") -> str:
    """Raises processutils.ProcessExecutionError, unless ``allowed`` is in what tgtadm says."""
    argv = ["tgtadm", "--lld", "iscsi", "--mode", mode, "--op", operation, *map(str, arguments)]
    try:
        told, _ = processutils.execute(*argv)
    except processutils.ProcessExecutionError as error:
        if not allowed or allowed not in error.stderr:
            raise
        return ""
    return str(told)
