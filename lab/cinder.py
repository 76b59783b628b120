"""Volumes: in Ceph, where one may be attached twice and snapshots cost nothing, and on NFS, to retype from and to."""

import shutil

from lab import ceph, ini, iscsi, libvirt, nfs, oslo, settings, wsgi
from lab.ini import Section
from lab.processes import Process

ETC = settings.ETC / "cinder"
CONF = ETC / "cinder.conf"
HOME = settings.STATE / "cinder"
#: What cinder-volume sees as /etc/ceph, the one place where os-brick looks for a key when it copies a volume.
KEYS = HOME / "ceph"
MIGRATIONS = [["cinder-manage", "--config-file", str(CONF), "db", "sync"]]


# a mount namespace of its own: the machine's /etc/ceph stays as it is, and shares mounted inside go with the process
_OWN_ETC_CEPH = (
    *("unshare", "--mount", "--propagation=private", "sh", "-c"),
    *('mount --bind "$1" /etc/ceph && shift && exec "$@"', "sh", str(KEYS)),
)


def configure() -> None:
    for folder in ("conversion", "locks", "mounts", KEYS.name):
        (HOME / folder).mkdir(parents=True, exist_ok=True)
    key = KEYS / "ceph.client.cinder.keyring"
    key.unlink(missing_ok=True)
    key.symlink_to(ceph.keyring("cinder"))
    ETC.mkdir(parents=True, exist_ok=True)
    for name in ("api-paste.ini", "resource_filters.json"):
        shutil.copy(settings.VENV / "etc/cinder" / name, ETC)
    ini.write(
        CONF,
        {
            "DEFAULT": {
                **oslo.LOGGING,
                **oslo.bus(),
                "host": "lab",
                "my_ip": settings.MANAGEMENT_ADDRESS,
                "state_path": HOME,
                "api_paste_config": ETC / "api-paste.ini",
                "resource_query_filters_file": ETC / "resource_filters.json",
                "auth_strategy": "keystone",
                "glance_api_servers": f"http://{settings.MANAGEMENT_ADDRESS}:{settings.GLANCE_PORT}",
                "enabled_backends": "ceph,iscsi,nfs",
                "default_volume_type": "ceph",
                "scheduler_default_filters": "AvailabilityZoneFilter,CapacityFilter,CapabilitiesFilter",
                "image_conversion_dir": HOME / "conversion",
                "backend_stats_polling_interval": 15,
            },
            "ceph": _ceph(),
            "iscsi": {**_ceph(), "volume_backend_name": "iscsi", **iscsi.backend()},
            "nfs": {"volume_backend_name": "nfs", "nfs_mount_point_base": HOME / "mounts", **nfs.backend()},
            "database": oslo.database("cinder"),
            "nova": {**oslo.login(), "interface": "internal", "token_auth_url": settings.KEYSTONE_INTERNAL_URL},
            "service_user": {**oslo.login(), "send_service_user_token": True},
            "coordination": {"backend_url": f"file://{HOME}/locks"},
            **oslo.shared("cinder", "block-storage"),
        },
    )


def processes() -> list[Process]:
    configuration = ["--config-file", str(CONF)]
    # the last for the lab's own driver
    storage = {"CEPH_CONF": str(ceph.CONF), **iscsi.ENVIRONMENT, "PYTHONPATH": str(settings.CHECKOUT)}
    return [
        wsgi.api("cinder-api", "cinder.wsgi.api", settings.CINDER_PORT, arguments=" ".join(configuration)),
        Process(name="cinder-scheduler", argv=["cinder-scheduler", *configuration]),
        Process(name="cinder-volume", argv=[*_OWN_ETC_CEPH, "cinder-volume", *configuration], env=storage),
    ]


def _ceph() -> Section:
    return {
        "volume_backend_name": "ceph",
        "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
        "rbd_pool": "volumes",
        "rbd_user": "cinder",
        "rbd_cluster_name": "ceph",
        "rbd_ceph_conf": ceph.CONF,
        "rbd_secret_uuid": libvirt.SECRET,
        # a volume from a snapshot stays its copy-on-write child: made in half a second whatever its size
        "rbd_flatten_volume_from_snapshot": False,
        "rados_connect_timeout": 5,
        "rados_connection_retries": 2,
        "rados_connection_interval": 1,
        "max_over_subscription_ratio": 100,
        "report_discard_supported": True,
    }
