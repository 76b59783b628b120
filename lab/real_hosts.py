"""The hosts with real guests: namespaces, switch, libvirtd, and Nova's and Neutron's agents inside them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from lab import acceleration, ini, libvirt, namespaces, neutron, nova, openvswitch
from lab.namespaces import HOSTS, Host
from lab.neutron import PHYSICAL_NETWORK
from lab.processes import Process


def configure() -> None:
    for host in HOSTS:
        for folder in ("nova/locks", "neutron/locks", "mounts"):
            (host.home / folder).mkdir(parents=True, exist_ok=True)
        # Nova refuses a known host that comes back under another identity
        (host.home / "nova" / "compute_id").write_text(f"{uuid5(NAMESPACE_DNS, host.name)}\n")
        ini.write(nova.conf(host.name), _nova(host))
        ini.write(_neutron_conf(host), _neutron(host))


def up() -> None:
    """Namespaces, switch and libvirtd of every host. Bridges and Ceph must be up."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_up, HOSTS))


def processes() -> list[Process]:
    """The agents of every host; its namespaces must be up."""
    return [agent for host in HOSTS for agent in (_compute(host), _switch_agent(host))]


def _up(host: Host) -> None:
    namespaces.up(host)
    openvswitch.up(host)
    libvirt.up(host)


def _compute(host: Host) -> Process:
    return _inside(host, nova.compute(host.name))


def _switch_agent(host: Host) -> Process:
    argv = ["neutron-openvswitch-agent", *neutron.CONFIGURATION, "--config-file", str(_neutron_conf(host))]
    return _inside(host, Process(name=f"neutron-agent-{host.name}", argv=argv))


def _inside(host: Host, process: Process) -> Process:
    return replace(process, argv=host.enter(*process.argv), env=openvswitch.environment(host))


def _neutron_conf(host: Host) -> Path:
    return neutron.ETC / f"{host.name}.ini"


def _nova(host: Host) -> dict[str, ini.Section]:
    home = host.home / "nova"
    return {
        "DEFAULT": {
            "host": host.name,
            "my_ip": host.address,
            "compute_driver": "libvirt.LibvirtDriver",
            "state_path": home,
            "instances_path": namespaces.INSTANCES,
            # the network has no DHCP and no metadata: a guest learns its address and keys from this drive
            "force_config_drive": True,
            "mkisofs_cmd": "genisoimage",
            "reserved_host_memory_mb": 512,
            "cpu_allocation_ratio": 16,
            "ram_allocation_ratio": 4,
        },
        "libvirt": {
            "virt_type": acceleration.detect(),
            **_processor(),
            "connection_uri": "qemu:///system",
            "images_type": "qcow2",
            "nfs_mount_point_base": host.home / "mounts",
            "live_migration_scheme": "tcp",
            "live_migration_uri": "qemu+tcp://%s/system",
            "live_migration_inbound_addr": host.address,
            "live_migration_with_native_tls": False,
            "inject_partition": -2,
            "num_pcie_ports": 16,
        },
        "os_vif_ovs": {"ovsdb_connection": openvswitch.DATABASE, "ovsdb_interface": "native"},
        "oslo_concurrency": {"lock_path": home / "locks"},
    }


def _processor() -> ini.Section:
    """Under emulation every feature costs, and a model both hosts emulate keeps guests movable."""
    if acceleration.detect() == "kvm":
        return {"cpu_mode": "host-model"}
    return {"cpu_mode": "custom", "cpu_models": "Nehalem"}


def _neutron(host: Host) -> dict[str, ini.Section]:
    home = host.home / "neutron"
    return {
        "DEFAULT": {"host": host.name, "state_path": home},
        "ovs": {
            "local_ip": host.address,
            "bridge_mappings": f"{PHYSICAL_NETWORK}:{openvswitch.PROVIDER_BRIDGE}",
            "datapath_type": "netdev",
            "ovsdb_connection": openvswitch.DATABASE,
            "of_listen_address": "127.0.0.1",
        },
        "agent": {"tunnel_types": ""},
        # the userspace switch has no connection tracking worth the name: security groups are not enforced here
        "securitygroup": {"firewall_driver": "noop"},
        "oslo_concurrency": {"lock_path": home / "locks"},
    }
