"""The network agents of the fake hosts, in one process: reports each as alive, so that ML2 binds ports there, and
marks bound ports up, so that Nova gets the event it waits for.

Usage: python -m lab.drivers.fake_agent <Neutron's --config-file options> -- <host>...
"""

import sys
import threading
import time
from typing import Any

import openstack
import oslo_service.backend
from neutron.agent import rpc
from neutron.common import config
from neutron.conf.agent import common as agent_settings
from neutron_lib import context
from neutron_lib.agent import topics
from oslo_config import cfg
from oslo_log import log

from lab import oslo, settings
from lab.neutron import PHYSICAL_NETWORK
from lab.passwords import password

LOG = log.getLogger("lab.fake_agent")
REPORT_INTERVAL = 10.0
#: Seconds between looks at the ports; a server's start waits for this.
LOOK_INTERVAL = 0.5


def main() -> None:
    separator = sys.argv.index("--")
    hosts = sys.argv[separator + 1 :]
    oslo_service.backend.init_backend(oslo_service.backend.BackendType.THREADING)
    config.register_common_config_options()
    agent_settings.register_agent_state_opts_helper(cfg.CONF)
    config.init(sys.argv[1:separator])
    config.setup_logging()
    admin = context.get_admin_context_without_session()
    threading.Thread(target=_report, args=(admin, hosts), daemon=True).start()
    _bring_ports_up(admin, set(hosts))


def _report(admin: Any, hosts: list[str]) -> None:
    server = rpc.PluginReportStateAPI(topics.REPORTS)
    fresh = True
    while True:
        try:
            for host in hosts:
                server.report_state(admin, _state(host) | ({"start_flag": True} if fresh else {}))
            fresh = False
        except Exception:
            LOG.exception("the report failed")
        time.sleep(REPORT_INTERVAL)


def _bring_ports_up(admin: Any, hosts: set[str]) -> None:
    cloud = openstack.connect(
        auth_url=settings.KEYSTONE_URL,
        username=oslo.SERVICE_USER,
        password=password(oslo.SERVICE_USER),
        project_name="service",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=settings.REGION,
    )
    server = rpc.PluginApi(topics.PLUGIN)
    while True:
        try:
            for host, ports in _waiting(cloud, hosts).items():
                server.get_devices_details_list(admin, ports, f"ovs-agent-{host}", host=host)
                server.update_device_list(admin, ports, [], f"ovs-agent-{host}", host)
        except Exception:
            LOG.exception("bringing ports up failed")
        time.sleep(LOOK_INTERVAL)


def _waiting(cloud: Any, hosts: set[str]) -> dict[str, list[str]]:
    """Ids of ports that are bound to a fake host but down, by host."""
    waiting: dict[str, list[str]] = {}
    for port in cloud.network.ports(status="DOWN", fields=["id", "binding:host_id", "binding:vif_type"]):
        if port.binding_host_id in hosts and port.binding_vif_type == "ovs":
            waiting.setdefault(port.binding_host_id, []).append(port.id)
    return waiting


def _state(host: str) -> dict[str, Any]:
    return {
        "binary": "neutron-openvswitch-agent",
        "host": host,
        "topic": "N/A",
        "agent_type": "Open vSwitch agent",
        "configurations": {
            "bridge_mappings": {PHYSICAL_NETWORK: "br-lab"},
            "integration_bridge": "br-int",
            "datapath_type": "system",
            "tunnel_types": [],
            "tunneling_ip": None,
            "ovs_hybrid_plug": False,
            "l2_population": False,
            "arp_responder_enabled": False,
            "devices": 0,
            "extensions": [],
            "in_distributed_mode": False,
            "enable_distributed_routing": False,
            "log_agent_heartbeats": False,
            "vhostuser_socket_dir": "/run/openvswitch",
            "ovs_capabilities": {"datapath_types": ["system"], "iface_types": ["internal"]},
        },
    }


if __name__ == "__main__":
    main()
