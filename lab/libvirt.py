"""A host's own libvirtd, in its namespaces, which knows the Ceph user's key as a libvirt secret."""

import subprocess

from lab import ceph, openvswitch, processes
from lab.namespaces import Host
from lab.processes import Process

PACKAGES = (
    "genisoimage",
    "libvirt-clients",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "python3-libvirt",
    "qemu-block-extra",
    "qemu-system-x86",
    "qemu-utils",
)
#: The same on every host: Cinder names it with each volume, libvirt finds the key of client.cinder under it.
SECRET = "00000000-0000-4000-8000-00000000ceb4"  # noqa: S105 - the name of a secret


def up(host: Host) -> None:
    """The host's libvirtd, answering and knowing the key. Namespaces and Ceph must be up."""
    folder = host.home / "etc/libvirt"
    (folder / "qemu.conf").write_text(_qemu_settings(host))
    (folder / "libvirtd.conf").write_text(_daemon_settings(host))
    hook = folder / "hooks" / "qemu"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(openvswitch.replug(host))
    hook.chmod(0o755)
    processes.start(daemon(host))
    processes.wait_ready(daemon(host))
    _virsh(host, "secret-define", "/dev/stdin", text=_secret())
    _virsh(host, "secret-set-value", SECRET, "--file", "/dev/stdin", text=ceph.key("cinder"))


def daemon(host: Host) -> Process:
    return Process(
        name=f"{host.name}-libvirtd",
        argv=host.enter("libvirtd", "--listen", "--pid-file", "/run/libvirt/libvirtd.pid"),
        # nothing of the machine's own systemd: guests are not its machines
        env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent", **openvswitch.environment(host)},
        ready=lambda: subprocess.run(_client(host, "version"), capture_output=True).returncode == 0,
    )


def _virsh(host: Host, *arguments: str, text: str) -> None:
    subprocess.run(_client(host, *arguments), input=text, text=True, check=True, capture_output=True)


def _client(host: Host, *arguments: str) -> list[str]:
    return host.enter("virsh", "--quiet", "--connect=qemu:///system", *arguments)


def _secret() -> str:
    return (
        f"<secret ephemeral='no' private='yes'><uuid>{SECRET}</uuid>"
        "<usage type='ceph'><name>client.cinder secret</name></usage></secret>"
    )


def _qemu_settings(host: Host) -> str:
    return f"""\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
max_queued = 0
migration_address = "{host.address}"
migration_host = "{host.address}"
"""


def _daemon_settings(host: Host) -> str:
    return f"""\
host_uuid = "00000000-0000-4000-8000-{host.number:012}"
unix_sock_group = "root"
auth_unix_rw = "none"
auth_unix_ro = "none"
listen_tls = 0
listen_tcp = 1
listen_addr = "{host.address}"
auth_tcp = "none"
log_outputs = "3:stderr"
"""
