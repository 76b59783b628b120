"""Brings the lab up: one list of phases, each of which finds what is there already and does the rest."""

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lab import (
    apt_source,
    bridges,
    ceph,
    cinder,
    clouds,
    fake_hosts,
    glance,
    iscsi,
    keystone,
    mariadb,
    memcached,
    metrics,
    neutron,
    nfs,
    nova,
    packages,
    placement,
    processes,
    rabbitmq,
    real_hosts,
    schemas,
    settings,
)
from lab.image import build
from lab.processes import Failed, Process

Result = TypeVar("Result")
CONFIGURED = (keystone, glance, placement, nova, nfs, cinder, neutron, fake_hosts, real_hosts, metrics, clouds)

_BEHIND_GUESTS = 10
#: Bytes of disk that a lab needs that is made from nothing, and one that only goes on.
_FRESH, _GROWTH = 12 << 30, 4 << 30


def up() -> None:
    """Everything running and ready. Raises processes.Failed naming what is not."""
    began = time.monotonic()
    # also what others run here and died, as the demo's service: it is theirs to start again, and no failure of ours
    processes.stop(processes.dead(), grace=0)
    require_disk(shutil.disk_usage(settings.CHECKOUT).free, fresh=not _done("hosts").exists())
    _phase("packages", packages.install)
    _phase("guest images", _images)
    _phase("bridges", bridges.up)
    _phase("configuration", _configure)
    _phase("databases, message bus, storage", lambda: _together(_databases, _message_bus, _storage))
    # an agent that asks before Neutron's RPC server listens waits a minute for its answer: that server goes first
    _start(neutron.rpc_servers())
    _phase("Keystone, real hosts", lambda: _together(_keystone, real_hosts.up))
    started = _phase("services and hosts", _services)
    if started or not _done("hosts").exists():
        _phase("hosts report", _wait_for_hosts)
    _phase("resources", lambda: _once(_resources(), lambda: _in_environment("lab.resources")))
    print(f"{'the lab is up':32} {time.monotonic() - began:6.1f} s", flush=True)
    print(f"export OS_CLIENT_CONFIG_FILE={settings.CLOUDS} OS_CLOUD=demo")


def require_disk(free: int, *, fresh: bool) -> None:
    """``free`` in bytes. Raises Failed where it is too little: a storage daemon without disk stalls every guest."""
    needed = _FRESH if fresh else _GROWTH
    if free < needed:
        raise Failed(
            f"{free >> 30} GiB of disk are free, the lab needs {needed >> 30}: free some, or move the checkout"
        )


def ports() -> dict[str, int]:
    """Where each process listens, by its name."""
    modules = (keystone, glance, placement, nova, cinder, neutron, mariadb, rabbitmq, memcached, apt_source, metrics)
    listening = [*(process for module in modules for process in module.processes()), iscsi.daemon()]
    return {process.name: process.port for process in listening if process.port}


def hosts() -> tuple[str, ...]:
    return settings.FAKE_HOSTS + settings.REAL_HOSTS


def _configure() -> None:
    for module in CONFIGURED:
        module.configure()


def _images() -> None:
    apt_source.make()
    build.build()


def _databases() -> None:
    mariadb.configure()
    _start(mariadb.processes())
    _once("schemas", schemas.create)
    _once("keystone", keystone.bootstrap)


def _message_bus() -> None:
    rabbitmq.configure()
    mapper, broker = rabbitmq.processes()
    _start([*memcached.processes(), mapper])
    # one that finds no port mapper starts its own, which nobody stops
    _start([broker])


def _storage() -> None:
    ceph.up()
    iscsi.up()


def _keystone() -> None:
    _start(keystone.processes())
    _once("catalog", lambda: _in_environment("lab.catalog"))


def _services() -> bool:
    """Start all the rest at once; whether any of it was not running."""
    services = [
        *(*glance.processes(), *placement.processes(), *neutron.processes(), *nova.processes(), *cinder.processes()),
        *(*fake_hosts.processes(), *real_hosts.processes(), *apt_source.processes(), *metrics.processes()),
    ]
    # the guests first: a hundred threads that wake at once must not stand before an emulated processor
    return _start([replace(service, niceness=_BEHIND_GUESTS) for service in services])


def _start(wanted: list[Process]) -> bool:
    started = [processes.start(process) for process in wanted]
    processes.wait_ready(*wanted)
    return any(started)


def _wait_for_hosts() -> None:
    _in_environment("lab.readiness", *hosts())
    _once("hosts", lambda: processes.run("discover-hosts", nova.DISCOVER_HOSTS))


def _in_environment(module: str, *arguments: str) -> None:
    """Run a module of the lab that needs the OpenStack SDK."""
    command = [str(settings.VENV / "bin/python"), "-m", module, *arguments]
    environment = processes.environment({"OS_CLIENT_CONFIG_FILE": str(settings.CLOUDS)})
    done = subprocess.run(command, cwd=settings.CHECKOUT, env=environment, text=True, stderr=subprocess.PIPE)
    if done.returncode:
        raise Failed(f"{module}: {done.stderr.strip()}")


def _done(name: str) -> Path:
    return settings.STATE / "done" / name


def _resources() -> str:
    """Changes with them, and with the guest images: a cloud that exists gets what is new."""
    built = sorted(image.stat().st_mtime_ns for image in (settings.STATE / "image").glob("debian-*.raw"))
    what = (settings.LAB / "resources.py").read_bytes() + str(built).encode()
    return f"resources-{hashlib.sha256(what).hexdigest()[:12]}"


def _once(name: str, action: Callable[[], None]) -> None:
    """Do what a fresh cloud needs once; an action that was cut short is done again."""
    if not _done(name).exists():
        action()
        _done(name).parent.mkdir(exist_ok=True)
        _done(name).touch()


def _together(*actions: Callable[[], None]) -> None:
    with ThreadPoolExecutor() as pool:
        for running in [pool.submit(action) for action in actions]:
            running.result()


def _phase(name: str, action: Callable[[], Result]) -> Result:
    began = time.monotonic()
    print(f"{name:32}", end=" ", flush=True)
    try:
        return action()
    finally:
        print(f"{time.monotonic() - began:6.1f} s", flush=True)
