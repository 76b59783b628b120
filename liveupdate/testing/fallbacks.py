"""Fallbacks for tests: an update that has ended, as the database and the cloud in memory show it."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, update

from liveupdate.db import clock, fallbacks, resources
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.db.tables import steps as steps_table
from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.backups import Backup
from liveupdate.drivers.cloud.servers import AttachedVolume
from liveupdate.drivers.cloud.snapshots import Snapshot
from liveupdate.model import Fallback
from liveupdate.states import JobState, ResourceState
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.jobs import accept
from liveupdate.testing.storage import volume

DETAILS = {"size": 3, "type": "ceph", "boot": True}


def updated(
    engine: Engine, *, days: float = 7, made: str = "updated", dies: bool = True, data: bool = False, **changes: Any
) -> str:
    """An update that ended as it should: server ``made`` serves, a snapshot and the old volume are kept. Its id.

    ``data``: a snapshot of the data volume, too. ``changes`` are fields of NewJob.
    """
    job_id = accept(engine, **{"server_id": "original", **changes})

    def work(connection: Connection) -> None:
        keep(connection, job_id, "server", "surrogate", made, None, {})
        keep(connection, job_id, "snapshot", "fallback", "snapshot", days, {**DETAILS, "volume_id": "old-volume"})
        if data:
            told = {**DETAILS, "boot": False, "volume_id": "data-volume"}
            keep(connection, job_id, "snapshot", "fallback-data-vol", "data-snapshot", days, told)
        keep(connection, job_id, "volume", "fallback", "old-volume", days, {**DETAILS, "dies": dies})
        moved = update(steps_table).where(steps_table.c.job_id == job_id, steps_table.c.position == 0)
        connection.execute(moved.values(step="release_original", result={"port_id": "own-port"}))
        ended = {"state": JobState.SUCCEEDED, "finished_at": clock.now(), "open_server_id": None}
        connection.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(**ended))

    write(engine, work)
    return job_id


def keep(
    connection: Connection,
    job_id: str,
    kind: str,
    role: str,
    cloud_id: str,
    days: float | None,
    details: dict[str, Any],
) -> None:
    """A line of the ledger of something that stays."""
    line = resources.add(connection, job_id, kind, role, f"liveupdate-{job_id[:8]}-{role}", details)
    line = resources.created(connection, line, cloud_id, None)
    resources.close(connection, line, ResourceState.KEPT, days)


def get(engine: Engine, fallback_id: str) -> Fallback:
    with read(engine) as connection:
        return fallbacks.get(connection, fallback_id)


def with_fallback(job_id: str) -> World:
    """with_server's world after the update ``job_id``: server "updated" on "root-volume", and what updated() keeps."""
    world = with_server()
    world.servers["updated"] = replace(world.servers.pop("original"), id="updated")
    world.attached["updated"] = world.attached.pop("original")
    world.attached["updated"]["root-volume"] = AttachedVolume("root-volume", "/dev/vda", "", True)
    for identifier in world.attached["updated"]:
        world.update_volume(identifier)
    world.ports["own-port"] = replace(world.ports["own-port"], device_id="updated")
    put(world, job_id, "volume", "fallback", "old-volume")
    put(world, job_id, "snapshot", "fallback", "snapshot", "old-volume")
    put(world, job_id, "snapshot", "fallback-data-vol", "data-snapshot", "data-volume")
    return world


def put(world: World, job_id: str, kind: str, role: str, cloud_id: str, of: str = "") -> None:
    """Put a part of a fallback into the world, with the mark of its job."""
    name, mark = f"liveupdate-{job_id[:8]}-{role}", marks.metadata(job_id, role)
    if kind == "volume":
        world.volumes[cloud_id] = volume(cloud_id, name=name, bootable=True, metadata=mark)
    elif kind == "snapshot":
        world.snapshots[cloud_id] = Snapshot(cloud_id, name, "available", of, mark)
    else:
        world.backups = {**(world.backups or {}), cloud_id: Backup(cloud_id, name, "available", of, 3, mark)}
