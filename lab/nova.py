"""Servers: the API, the scheduler and the conductor. Each host has settings of its own on top of CONF."""

import shutil
from pathlib import Path

from lab import ini, oslo, settings, wsgi
from lab.passwords import password
from lab.processes import Process

ETC = settings.ETC / "nova"
#: What every nova-compute reads first.
CONF = ETC / "nova.conf"
HOME = settings.STATE / "nova"
MANAGE = ["nova-manage", "--config-file", str(CONF)]
# the cells' addresses as templates, filled in from the configuration: no password lies in the database or its dump
DATABASE = "{scheme}://{username}:{password}@{hostname}:{port}/%s?{query}"
BUS = "{scheme}://{username}:{password}@{hostname}:{port}/"
CELL1 = ["--name", "cell1", "--database_connection", DATABASE % "nova", "--transport-url", BUS]
MIGRATIONS = [
    [*MANAGE, "api_db", "sync"],
    [*MANAGE, "cell_v2", "map_cell0", "--database_connection", DATABASE % "nova_cell0"],
    [*MANAGE, "db", "sync"],
    [*MANAGE, "cell_v2", "create_cell", *CELL1],
]
DISCOVER_HOSTS = [*MANAGE, "cell_v2", "discover_hosts"]
#: A request that our service vouches for may name a host; Nova's scheduler judges it like any other.
POLICY = '"compute:servers:create:requested_destination": "rule:context_is_admin or service_roles:service"\n'
FILTERS = (
    *("ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "AggregateInstanceExtraSpecsFilter"),
    *("ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter", "SameHostFilter", "DifferentHostFilter"),
)


def configure() -> None:
    (HOME / "locks").mkdir(parents=True, exist_ok=True)
    ETC.mkdir(parents=True, exist_ok=True)
    shutil.copy(settings.VENV / "etc/nova/api-paste.ini", ETC)
    (ETC / "policy.yaml").write_text(POLICY)
    ini.write(
        CONF,
        {
            "DEFAULT": {
                **oslo.LOGGING,
                **oslo.bus(),
                "host": "lab",
                "my_ip": settings.MANAGEMENT_ADDRESS,
                "state_path": HOME,
                "rpc_response_timeout": 60,
                "report_interval": 5,
                "service_down_time": 30,
                "vif_plugging_timeout": 60,
                # a big image becomes a volume before the server starts
                "block_device_allocate_retries": 120,
                "block_device_allocate_retries_interval": 1,
                "resume_guests_state_on_host_boot": True,
                "sync_power_state_interval": 60,
            },
            "api": {"auth_strategy": "keystone"},
            "api_database": oslo.database("nova_api"),
            "database": oslo.database("nova"),
            "conductor": {"workers": 2},
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 30},
            "filter_scheduler": {"enabled_filters": FILTERS, "track_instance_changes": False},
            "glance": oslo.login(),
            "neutron": {
                **oslo.login(),
                "service_metadata_proxy": True,
                "metadata_proxy_shared_secret": password("metadata"),
            },
            "cinder": {
                **{option: value for option, value in oslo.login().items() if option != "region_name"},
                "catalog_info": "block-storage::internalURL",
                "os_region_name": settings.REGION,
            },
            "placement": oslo.login(),
            "service_user": {**oslo.login(), "send_service_user_token": True},
            "vnc": {"enabled": False},
            "spice": {"enabled": False},
            "serial_console": {"enabled": False},
            "compute": {"live_migration_wait_for_vif_plug": False},
            **oslo.shared("nova", "compute"),
            "oslo_policy": {**oslo.POLICY, "policy_file": ETC / "policy.yaml"},
        },
    )


def processes() -> list[Process]:
    environment = {"OS_NOVA_CONFIG_DIR": str(ETC), "OS_NOVA_CONFIG_FILES": f"api-paste.ini;{CONF.name}"}
    configuration = ["--config-file", str(CONF)]
    return [
        wsgi.api("nova-api", "nova.wsgi.osapi_compute", settings.NOVA_PORT, environment, workers=2),
        Process(name="nova-conductor", argv=["nova-conductor", *configuration]),
        Process(name="nova-scheduler", argv=["nova-scheduler", *configuration]),
    ]


def compute(host: str) -> Process:
    """The nova-compute of a host, with the host's settings on top of the shared ones."""
    argv = ["nova-compute", "--config-file", str(CONF), "--config-file", str(conf(host))]
    return Process(name=f"nova-compute-{host}", argv=argv)


def conf(host: str) -> Path:
    """The file of the host's own settings."""
    return ETC / f"{host}.conf"
