"""Where everything of the lab lies and listens: paths, addresses, ports and the few knobs."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LAB = CHECKOUT / "lab"
#: Everything the lab writes; removing it (after `down`) removes the lab.
STATE = Path(os.environ.get("LIVEUPDATE_LAB", LAB / "state")).resolve()
LOGS = STATE / "log"
RUN = STATE / "run"
ETC = STATE / "etc"
VENV = STATE / "venv"
CLOUDS = STATE / "clouds.yaml"
SSH_KEY = STATE / "id_ed25519"

REGION = "lab"
#: Simulated hypervisors, for cases that need many hosts and no real guest.
FAKE_HOSTS = tuple(f"host{number}" for number in range(1, int(os.environ.get("LAB_FAKE_HOSTS", "6")) + 1))
#: The real hypervisors, QEMU guests in their own namespaces.
REAL_HOSTS = ("kvm1", "kvm2")

#: Seconds for the cloud, or a guest, to bring about what it was asked for. Only what never comes takes as long, on
#: however slow a machine.
PATIENCE = 600.0

#: Clients on this machine use PUBLIC_ADDRESS; the hosts' namespaces reach the same services at MANAGEMENT_ADDRESS.
PUBLIC_ADDRESS = "127.0.0.1"
MANAGEMENT_BRIDGE = "labbr"
MANAGEMENT_ADDRESS = "10.77.0.1"
DATA_BRIDGE = "labdat"
DATA_ADDRESS = "10.30.0.1"
DATA_NETWORK = "10.30.0.0/24"
GUEST_ADDRESSES = ("10.30.0.20", "10.30.0.250")
CEPH_ADDRESS = "10.77.7.7"
#: The portals; guests reach them through their gateway, this machine.
ISCSI_ADDRESSES = ("10.77.8.1", "10.77.8.2")
#: Size in bytes of the sparse file under Ceph's only OSD.
CEPH_SIZE = 40 << 30

MARIADB_PORT = 13306
RABBITMQ_PORT = 15672
EPMD_PORT = 14369
RABBITMQ_DISTRIBUTION_PORT = 25673
MEMCACHED_PORT = 11311
KEYSTONE_PORT = 5000
GLANCE_PORT = 9292
NOVA_PORT = 8774
CINDER_PORT = 8776
NEUTRON_PORT = 9696
PLACEMENT_PORT = 8778
APT_PORT = 8090
PROMETHEUS_PORT = 19090
#: The first host's node exporter; the others' follow, one port each.
EXPORTER_PORT = 19100
ISCSI_PORT = 13260
#: Our own service; the catalog names it, the lab does not start it.
LIVEUPDATE_PORT = 9323

KEYSTONE_URL = f"http://{PUBLIC_ADDRESS}:{KEYSTONE_PORT}/v3"
KEYSTONE_INTERNAL_URL = f"http://{MANAGEMENT_ADDRESS}:{KEYSTONE_PORT}/v3"


def host_address(number: int) -> str:
    """Management address of the real host kvm<number>."""
    return f"10.77.0.{10 + number}"
