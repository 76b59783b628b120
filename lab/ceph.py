"""A one-node Ceph: a monitor, a manager and an OSD on a sparse file, made by hand; about 100 MiB of memory."""

import json
import shutil
import socket
import struct
import subprocess
import uuid
from pathlib import Path

from lab import processes, settings
from lab.processes import Process

PACKAGES = ("ceph-common", "ceph-mgr", "ceph-mon", "ceph-osd", "python3-rados", "python3-rbd")
POOLS = ("volumes", "images")
#: Users that may read and write both pools: volumes are copy-on-write children of images.
CLIENTS = ("cinder", "glance")

HOME = settings.STATE / "ceph"
CONF = HOME / "ceph.conf"
#: Written last. A cluster without it is the rest of an interrupted attempt and is made anew.
MADE = HOME / "made"
ADDRESS = f"[v2:{settings.CEPH_ADDRESS}:13300,v1:{settings.CEPH_ADDRESS}:16789]"


def up() -> None:
    """Start the cluster and make it where there is none yet. Raises processes.Failed naming the daemon that died."""
    _add_address()
    monitor, osd, manager = daemons()
    fresh = not MADE.exists()
    if fresh:
        processes.stop([daemon.name for daemon in daemons()])
        _make_monitor()
    processes.start(monitor)
    processes.wait_ready(monitor)
    if fresh:
        _make_osd()
    processes.start(osd)
    processes.start(manager)
    processes.wait_ready(osd)
    if fresh:
        _make_pools()
        MADE.touch()


def daemons() -> list[Process]:
    """The three daemons in the order they are started."""
    return [_daemon("mon", "lab", "leader"), _daemon("osd", "0", "active"), _daemon("mgr", "lab", None)]


def keyring(client: str) -> Path:
    return HOME / f"client.{client}.keyring"


def key(client: str) -> str:
    return _run("ceph-authtool", str(keyring(client)), "--print-key", "--name", f"client.{client}").strip()


def cluster_id() -> str:
    """The cluster's fsid, generated once."""
    file = HOME / "fsid"
    if not file.exists():
        file.write_text(str(uuid.uuid4()))
    return file.read_text()


def remove_address() -> None:
    subprocess.run(["ip", "address", "delete", f"{settings.CEPH_ADDRESS}/32", "dev", "lo"], capture_output=True)


def _add_address() -> None:
    # an own address, so that the hosts' namespaces reach the daemons by the same name as the machine does
    subprocess.run(["ip", "address", "replace", f"{settings.CEPH_ADDRESS}/32", "dev", "lo"], check=True)


def _daemon(kind: str, name: str, state: str | None) -> Process:
    return Process(
        name=f"ceph-{kind}",
        argv=[f"ceph-{kind}", "--foreground", "--conf", str(CONF), "--id", name],
        ready=(lambda: _state(f"{kind}.{name}") == state) if state else None,
    )


def _state(daemon: str) -> str | None:
    """What a daemon says of itself on its admin socket; None while it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(HOME / f"{daemon}.asok"))
            command = "mon_status" if daemon.startswith("mon.") else "status"
            connection.sendall(json.dumps({"prefix": command}).encode() + b"\0")
            answer = connection.makefile("rb")
            (length,) = struct.unpack(">I", answer.read(4))
            return str(json.loads(answer.read(length))["state"])
    except (OSError, struct.error, ValueError, KeyError):
        return None


def _make_monitor() -> None:
    shutil.rmtree(HOME, ignore_errors=True)
    for folder in ("mon", "mgr", "osd", "no-modules"):
        (HOME / folder).mkdir(parents=True)
    HOME.chmod(0o700)
    CONF.write_text(_configuration())
    everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
    _make_key("mon.", "--cap", "mon", "allow *")
    _make_key("client.admin", *everything)
    _make_key("mgr.lab", "--cap", "mon", "allow profile mgr", "--cap", "osd", "allow *")
    osd = ["--cap", "mon", "allow profile osd", "--cap", "mgr", "allow profile osd", "--cap", "osd", "allow *"]
    _make_key("osd.0", *osd)
    block_device = ["--cap", "mon", "profile rbd", "--cap", "mgr", "profile rbd", "--cap", "osd", "profile rbd"]
    for client in CLIENTS:
        _make_key(f"client.{client}", *block_device)
    monitors = str(HOME / "monmap")
    _run("monmaptool", "--create", "--clobber", "--fsid", cluster_id(), "--addv", "lab", ADDRESS, monitors)
    keys = str(HOME / "mon..keyring")
    _run("ceph-mon", "--conf", str(CONF), "--id", "lab", "--mkfs", "--monmap", monitors, "--keyring", keys)


def _make_key(entity: str, *capabilities: str) -> None:
    """A new key in a file of its own, known to the monitor from its birth."""
    file = str(HOME / f"{entity}.keyring")
    _run("ceph-authtool", "--create-keyring", file, "--gen-key", "--name", entity, *capabilities)
    if entity != "mon.":
        _run("ceph-authtool", str(HOME / "mon..keyring"), "--import-keyring", file)


def _make_osd() -> None:
    osd_id = str(uuid.uuid4())
    _commands(f"osd new {osd_id} 0")
    _run("ceph-osd", "--conf", str(CONF), "--id", "0", "--mkfs", "--osd-uuid", osd_id)


def _make_pools() -> None:
    _commands(
        *(f"osd pool create {pool} 8 8" for pool in POOLS),
        *(f"osd pool application enable {pool} rbd" for pool in POOLS),
        "health mute MGR_MODULE_ERROR --sticky",  # the manager runs without modules on purpose
    )


def _commands(*commands: str) -> None:
    for command in commands:
        _run("ceph", "--conf", str(CONF), "--connect-timeout", "20", *command.split())


def _run(*argv: str) -> str:
    """Standard output; raises subprocess.CalledProcessError with what the command said."""
    return subprocess.run(argv, check=True, text=True, capture_output=True, umask=0o077).stdout


def _configuration() -> str:
    return f"""\
[global]
fsid = {cluster_id()}
mon_host = {ADDRESS}
mon_initial_members = lab
public_addr = {settings.CEPH_ADDRESS}
cluster_addr = {settings.CEPH_ADDRESS}
ms_bind_ipv6 = false
ms_bind_port_min = 16800
ms_bind_port_max = 16900
auth_allow_insecure_global_id_reclaim = false
keyring = {HOME}/$name.keyring
run_dir = {HOME}
crash_dir = {HOME}/crash
log_file =
mon_cluster_log_file =
log_to_stderr = true
err_to_stderr = true
rbd_default_features = 61
# a volume may be attached twice: no copy of it in anybody's memory
rbd_cache = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
# on a machine that is short of CPU the only OSD may be late; found to be so, its placement groups stall for good
osd_heartbeat_grace = 600
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 2
mon_data_avail_crit = 1

[mon]
mon_data = {HOME}/mon
admin_socket = {HOME}/$name.asok
mon_memory_target = 134217728
mon_osd_cache_size = 10
rocksdb_cache_size = 16777216
paxos_propose_interval = 0.05

[mgr]
mgr_data = {HOME}/mgr
admin_socket = {HOME}/$name.asok
mgr_module_path = {HOME}/no-modules
mgr_initial_modules =
mgr_stats_period = 2

[osd]
osd_data = {HOME}/osd
admin_socket = {HOME}/$name.asok
osd_objectstore = bluestore
bluestore_block_size = {settings.CEPH_SIZE}
bluestore_cache_autotune = false
bluestore_cache_size = 67108864
osd_memory_target = 939524096
osd_op_queue = wpq
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 2
osd_max_pg_log_entries = 200
osd_min_pg_log_entries = 50
osd_max_scrubs = 0
osd_class_update_on_start = false
crush_location = root=default host=lab
osd_fast_shutdown_notify_mon = false
"""
