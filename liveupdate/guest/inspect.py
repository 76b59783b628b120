"""What this machine is, has and runs: facts for the preflight. Reads only."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from . import memory, proc, units
from .external import find, run
from .small_files import first_line
from .storage import storage

TOOLS = ("criu", "nft", "ip", "arping", "ssh", "sshd", "tar", "fsfreeze", "blockdev", "rsync", "apt-get",
         "iscsiadm", "multipathd", "ss")  # fmt: skip
#: File systems that live in memory or are the kernel's own.
UNREAL = frozenset(
    ("autofs", "binfmt_misc", "bpf", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fusectl",
     "hugetlbfs", "mqueue", "proc", "pstore", "ramfs", "securityfs", "sysfs", "tmpfs", "tracefs", "iso9660", "nsfs")
)  # fmt: skip


def inspect() -> dict[str, Any]:
    return {
        "kernel": os.uname().release,
        "architecture": os.uname().machine,
        "boot_id": first_line("/proc/sys/kernel/random/boot_id"),
        "machine_id": first_line("/etc/machine-id"),
        "smbios_uuid": first_line("/sys/class/dmi/id/product_uuid").lower(),
        "hostname": os.uname().nodename,
        "cpus": os.cpu_count() or 1,
        "memory": memory.facts(),
        "pids": {"maximum": int(first_line("/proc/sys/kernel/pid_max") or 0), "highest": max(proc.pids())},
        "mounts": mounts(),
        "swaps": swaps(),
        "fstab": fstab(),
        "free": {
            path: shutil.disk_usage(path).free for path in ("/", "/boot", "/usr", "/var", "/run") if os.path.isdir(path)
        },
        "interfaces": interfaces(),
        "units": [_unit(unit) for unit in units.show() if unit.main_pid],
        "storage": storage(),
        "criu": criu(),
        "tools": {tool: find(tool) is not None for tool in TOOLS},
        "systemd": os.path.isdir("/run/systemd/system"),
        "cloud_init": os.path.isdir("/var/lib/cloud/instance"),
        "reboot_required": os.path.exists("/run/reboot-required"),
    }


def criu() -> dict[str, Any]:
    """{version, ok, why}: ``criu check`` asks the kernel for what dumping needs."""
    if find("criu") is None:
        return {"version": "", "ok": False, "why": "criu is not installed"}
    version = run(["criu", "--version"], check=False).text.partition("\n")[0].replace("Version: ", "")
    checked = run(["criu", "check"], timeout=60, check=False)
    return {"version": version, "ok": checked.ok, "why": "" if checked.ok else checked.text[-300:]}


def mounts() -> list[dict[str, Any]]:
    """Real file systems: {where, device, block, by_id, disks, fstype, options}.

    ``block``: the kernel's name of it; ``by_id``: its stable one, or ""; ``disks``: the whole disks that it lies on in
    the end, by their stable names where they have such.
    """
    stable = _stable_names()
    found = []
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            device, where, kind, options = (_unescape(word) for word in line.split()[:4])
            if kind not in UNREAL:
                block = os.path.realpath(device)
                told = {"where": where, "device": device, "block": os.path.basename(block), "fstype": kind}
                told.update({"by_id": stable.get(block, ""), "options": options})
                found.append({**told, "disks": _disks(device, stable)})
    return found


def swaps() -> list[dict[str, Any]]:
    """What is swapped to now: {device, disks}."""
    stable = _stable_names()
    with open("/proc/swaps", encoding="utf-8", errors="surrogateescape") as file:
        devices = [_unescape(line.split()[0]) for line in file.readlines()[1:]]
    return [{"device": device, "disks": _disks(device, stable)} for device in devices]


def fstab() -> list[dict[str, str]]:
    """{source, where, fstype, options} of each line of /etc/fstab."""
    try:
        with open("/etc/fstab", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file if not line.lstrip().startswith("#")]
    except FileNotFoundError:
        return []
    keys = ("source", "where", "fstype", "options")
    return [dict(zip(keys, map(_unescape, fields))) for fields in lines if len(fields) >= len(keys)]  # noqa: B905 Python 3.9


def _disks(device: str, stable: dict[str, str], classes: str = "/sys/class/block") -> list[str]:
    """The whole disks below a device: through partitions, LVM, RAID and encryption."""
    waiting, found = [os.path.basename(os.path.realpath(device))], set()
    while waiting:
        name = waiting.pop()
        here = os.path.realpath(os.path.join(classes, name))
        below = os.listdir(os.path.join(here, "slaves")) if os.path.isdir(os.path.join(here, "slaves")) else []
        if os.path.exists(os.path.join(here, "partition")):
            below = [os.path.basename(os.path.dirname(here))]
        waiting += below
        if not below and os.path.isdir(here):
            found.add(stable.get(f"/dev/{name}", f"/dev/{name}"))
    return sorted(found)


def _stable_names() -> dict[str, str]:
    folder = "/dev/disk/by-id"
    # names of device-mapper's maps are what their owners call them, and need not be unique
    names = (
        sorted(os.listdir(folder), key=lambda name: (name.startswith("dm-name-"), name))
        if os.path.isdir(folder)
        else []
    )
    return {os.path.realpath(os.path.join(folder, name)): os.path.join(folder, name) for name in reversed(names)}


def _unescape(word: str) -> str:
    """/proc/mounts writes blanks and backslashes in octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, character)
    return word


def interfaces() -> list[dict[str, Any]]:
    """[{name, mac, addresses: [{address, prefix}], gateway}] without the loopback."""
    links = _ip("address", "show")
    routes = [route for route in _ip("route", "show", "default") if route.get("gateway")]
    gateways = {route["dev"]: route["gateway"] for route in routes}
    return [
        {
            "name": link["ifname"],
            "mac": link.get("address", ""),
            "addresses": [
                {"address": a["local"], "prefix": a["prefixlen"]}
                for a in link.get("addr_info", [])
                if a.get("scope") == "global"
            ],
            "gateway": gateways.get(link["ifname"], ""),
        }
        for link in links
        if link.get("ifname") != "lo"
    ]


def _ip(*words: str) -> list[dict[str, Any]]:
    done = run(["ip", "-json", *words], check=False)
    try:
        found = json.loads(done.text or "[]")
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, dict) and entry]


def _unit(unit: units.Unit) -> dict[str, Any]:
    tree = proc.tree(unit.main_pid)
    pids = sorted({process.pid for process in tree} | set(unit.processes))
    return {
        "name": unit.name,
        "main_pid": unit.main_pid,
        "pids": pids,
        "rss": sum(process.rss for process in tree),
        "threads": sum(process.threads for process in tree),
        "ports": sorted({port for _, port in proc.listening(pids)}),
        "mounts": _mounts_in_use(pids),
        "stdout": unit.properties.get("StandardOutput", ""),
        "sandboxing": unit.sandboxing,
        "fragment": unit.properties.get("FragmentPath", ""),
    }


def _mounts_in_use(pids: list[int]) -> list[str]:
    """Where the file systems are mounted, other than the root, that these processes have files open on."""
    places = sorted((m["where"] for m in mounts() if m["where"] != "/"), key=len, reverse=True)
    used = set()
    for pid in pids:
        for target in proc.open_files(pid).values():
            where = next((p for p in places if target == p or target.startswith(p + "/")), None)
            if where:
                used.add(where)
    return sorted(used)
