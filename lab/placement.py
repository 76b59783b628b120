"""What hosts have and who uses it."""

from lab import ini, oslo, settings, wsgi
from lab.processes import Process

ETC = settings.ETC / "placement"
CONF = ETC / "placement.conf"
MIGRATIONS = [["placement-manage", "--config-file", str(CONF), "db", "sync"]]


def configure() -> None:
    ini.write(
        CONF,
        {
            "DEFAULT": oslo.LOGGING,
            "placement_database": oslo.database("placement"),
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": oslo.tokens("placement"),
            "oslo_policy": oslo.POLICY,
        },
    )


def processes() -> list[Process]:
    environment = {"OS_PLACEMENT_CONFIG_DIR": str(ETC)}
    return [wsgi.api("placement", "placement.wsgi.api", settings.PLACEMENT_PORT, environment)]
