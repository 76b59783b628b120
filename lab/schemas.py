"""The services' tables: by their migrations the first time, from a dump of the result ever after."""

from concurrent.futures import ThreadPoolExecutor

from lab import cinder, glance, keystone, mariadb, neutron, nova, packages, placement, settings
from lab.processes import run

MIGRATIONS = {
    "keystone": keystone.MIGRATIONS,
    "glance": glance.MIGRATIONS,
    "placement": placement.MIGRATIONS,
    "nova": nova.MIGRATIONS,
    "cinder": cinder.MIGRATIONS,
    "neutron": neutron.MIGRATIONS,
}


def create() -> None:
    """Fresh databases with every table. Raises processes.Failed naming the migration that failed."""
    mariadb.create()
    dump = settings.STATE / "cache" / f"schemas-{packages.version()}.sql"
    if dump.exists():
        mariadb.load(dump)
        return
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(_migrate, service) for service in MIGRATIONS]:
            done.result()
    mariadb.dump(dump)


def _migrate(service: str) -> None:
    for command in MIGRATIONS[service]:
        run(f"migrations-{service}", command)
