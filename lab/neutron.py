"""Networks: the API, its RPC server and its periodic workers. Hosts bring the Open vSwitch agents."""

from lab import ini, oslo, settings, wsgi
from lab.processes import Process

ETC = settings.ETC / "neutron"
CONF = ETC / "neutron.conf"
ML2 = ETC / "ml2.ini"
HOME = settings.STATE / "neutron"
#: What every Neutron program reads first.
CONFIGURATION = ["--config-file", str(CONF), "--config-file", str(ML2)]
MIGRATIONS = [["neutron-db-manage", "--config-file", str(CONF), "upgrade", "heads"]]
#: The physical network the flat provider network lies on.
PHYSICAL_NETWORK = "lab"


def configure() -> None:
    (HOME / "locks").mkdir(parents=True, exist_ok=True)
    towards_others = {**oslo.login(), "endpoint_type": "internal"}
    del towards_others["valid_interfaces"]
    ini.write(
        CONF,
        {
            "DEFAULT": {
                **oslo.LOGGING,
                **oslo.bus(),
                "host": "lab",
                "state_path": HOME,
                "api_paste_config": settings.VENV / "etc/neutron/api-paste.ini",
                "auth_strategy": "keystone",
                "core_plugin": "ml2",
                "service_plugins": "trunk",
                "rpc_workers": 1,
                "rpc_state_report_workers": 0,
                # zero would switch the events off that Nova waits for
                "send_events_interval": 1,
                "agent_down_time": 45,
                "base_mac": "fa:16:3e:00:00:00",
            },
            "agent": {"root_helper": "sudo", "report_interval": 10},
            "database": oslo.database("neutron"),
            "nova": towards_others,
            "placement": towards_others,
            **oslo.shared("neutron", "network"),
        },
    )
    ini.write(
        ML2,
        {
            "ml2": {
                "type_drivers": "flat,vlan,local",
                "project_network_types": "vlan",
                "mechanism_drivers": "openvswitch",
                "extension_drivers": "port_security",
            },
            "ml2_type_flat": {"flat_networks": PHYSICAL_NETWORK},
            "ml2_type_vlan": {"network_vlan_ranges": f"{PHYSICAL_NETWORK}:100:199"},
            "securitygroup": {"enable_security_group": True},
        },
    )


def rpc_servers() -> list[Process]:
    """What the hosts' agents talk to; needs the database and the bus only."""
    return [
        Process(name="neutron-rpc", argv=["neutron-rpc-server", *CONFIGURATION]),
        Process(name="neutron-periodic", argv=["neutron-periodic-workers", *CONFIGURATION]),
    ]


def processes() -> list[Process]:
    environment = {"OS_NEUTRON_CONFIG_DIR": str(ETC), "OS_NEUTRON_CONFIG_FILES": f"{CONF.name};{ML2.name}"}
    api = wsgi.api("neutron-api", "neutron.wsgi.api", settings.NEUTRON_PORT, environment, workers=2)
    return [api, *rpc_servers()]
