"""Images, in Ceph, so that a volume made from one is an instant copy-on-write child of it."""

from lab import ceph, ini, oslo, settings, wsgi
from lab.processes import Process

ETC = settings.ETC / "glance"
HOME = settings.STATE / "glance"
MANAGE = ["glance-manage", "--config-dir", str(ETC)]
MIGRATIONS = [[*MANAGE, "db_sync"], [*MANAGE, "db_load_metadefs", str(settings.VENV / "etc/glance/metadefs")]]


def configure() -> None:
    for folder in ("staging", "tasks", "locks"):
        (HOME / folder).mkdir(parents=True, exist_ok=True)
    ini.write(
        ETC / "glance-api.conf",
        {
            "DEFAULT": {
                **oslo.LOGGING,
                "enabled_backends": "ceph:rbd",
                # Cinder clones an image inside Ceph only where it is told the image's place
                "show_image_direct_url": True,
                "node_staging_uri": f"file://{HOME}/staging",
            },
            "glance_store": {"default_backend": "ceph"},
            "ceph": {
                "rbd_store_ceph_conf": ceph.CONF,
                "rbd_store_user": "glance",
                "rbd_store_pool": "images",
                "rbd_store_chunk_size": 8,
                "rbd_thin_provisioning": True,
            },
            "os_glance_staging_store": {"filesystem_store_datadir": HOME / "staging"},
            "os_glance_tasks_store": {"filesystem_store_datadir": HOME / "tasks"},
            "database": oslo.database("glance"),
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": settings.VENV / "etc/glance/glance-api-paste.ini",
            },
            **oslo.shared("glance", "image"),
        },
    )


def processes() -> list[Process]:
    environment = {"OS_GLANCE_CONFIG_DIR": str(ETC), "CEPH_CONF": str(ceph.CONF)}
    return [wsgi.api("glance", "glance.wsgi.api", settings.GLANCE_PORT, environment)]
