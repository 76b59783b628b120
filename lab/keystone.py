"""Identity."""

from lab import ini, oslo, settings, wsgi
from lab.passwords import password
from lab.processes import Process, run

ETC = settings.ETC / "keystone"
CONF = ETC / "keystone.conf"
HOME = settings.STATE / "keystone"
MIGRATIONS = [["keystone-manage", "--config-file", str(CONF), "db_sync"]]


def configure() -> None:
    for folder in ("fernet", "credential"):
        (HOME / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    ini.write(
        CONF,
        {
            "DEFAULT": oslo.LOGGING,
            "database": oslo.database("keystone"),
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": HOME / "fernet"},
            "fernet_receipts": {"key_repository": HOME / "fernet"},
            "credential": {"key_repository": HOME / "credential"},
            "cache": {
                "enabled": True,
                "backend": "oslo_cache.memcache_pool",
                "memcache_servers": f"127.0.0.1:{settings.MEMCACHED_PORT}",
            },
            "oslo_policy": oslo.POLICY,
        },
    )


def bootstrap() -> None:
    """Keys, the admin user and Keystone's own endpoints; needs the schema, not the service."""
    manage = ["keystone-manage", "--config-file", str(CONF)]
    run("keystone-keys", [*manage, "fernet_setup", "--keystone-user", "root", "--keystone-group", "root"])
    environment = {
        "OS_BOOTSTRAP_PASSWORD": password("admin"),
        "OS_BOOTSTRAP_REGION_ID": settings.REGION,
        "OS_BOOTSTRAP_PUBLIC_URL": settings.KEYSTONE_URL,
        "OS_BOOTSTRAP_INTERNAL_URL": settings.KEYSTONE_INTERNAL_URL,
        "OS_BOOTSTRAP_ADMIN_URL": settings.KEYSTONE_INTERNAL_URL,
    }
    run("keystone-bootstrap", [*manage, "bootstrap"], environment)


def processes() -> list[Process]:
    environment = {"OS_KEYSTONE_CONFIG_DIR": str(ETC), "OS_KEYSTONE_CONFIG_FILES": CONF.name}
    return [wsgi.api("keystone", "keystone.wsgi.api", settings.KEYSTONE_PORT, environment, workers=2)]
