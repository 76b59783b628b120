"""The settings all OpenStack services share: logging, database, message bus, and how they log in to Keystone."""

from lab import mariadb, rabbitmq, settings
from lab.ini import Section
from lab.passwords import password

#: User of every service towards the others, in project service.
SERVICE_USER = "service"

QUIET = (
    *("amqp=WARN", "amqplib=WARN", "dogpile.core.dogpile=WARN", "keystoneauth=WARN", "keystonemiddleware=WARN"),
    *("nova.compute.resource_tracker=WARN", "oslo.cache=WARN", "oslo.messaging=INFO", "oslo_messaging=INFO"),
    *("oslo.privsep.daemon=INFO", "oslo_policy=WARN", "routes.middleware=WARN", "sqlalchemy=WARN", "stevedore=WARN"),
    "urllib3.connectionpool=WARN",
)
LOGGING: Section = {"use_stderr": True, "log_dir": "", "use_journal": False, "default_log_levels": QUIET}
#: Today's policies, as a fresh cloud has them: scopes count and no deprecated rule is or-ed in.
POLICY: Section = {"enforce_scope": True, "enforce_new_defaults": True}


def database(name: str) -> Section:
    return {"connection": mariadb.url(name), "max_pool_size": 5, "max_overflow": 20, "connection_recycle_time": 3600}


def bus() -> Section:
    """Options of [DEFAULT]."""
    return {"transport_url": rabbitmq.url()}


def login() -> Section:
    """How a service authenticates to the others, over the endpoints its hosts can reach."""
    return {
        "auth_type": "password",
        "auth_url": settings.KEYSTONE_INTERNAL_URL,
        "username": SERVICE_USER,
        "password": password(SERVICE_USER),
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": settings.REGION,
        "valid_interfaces": "internal",
    }


def tokens(service_type: str) -> Section:
    """How a service checks the tokens it is given."""
    return {
        "www_authenticate_uri": settings.KEYSTONE_URL,
        "memcached_servers": f"127.0.0.1:{settings.MEMCACHED_PORT}",
        "interface": "internal",
        "service_token_roles": "service",
        "service_token_roles_required": True,
        "service_type": service_type,
        **login(),
    }


def shared(service: str, service_type: str) -> dict[str, Section]:
    """Sections every service has in common; service names its lock folder."""
    return {
        "keystone_authtoken": tokens(service_type),
        "oslo_messaging_rabbit": {
            "heartbeat_in_pthread": False,
            "rabbit_quorum_queue": False,
            "rabbit_transient_quorum_queue": False,
        },
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_policy": POLICY,
        "oslo_concurrency": {"lock_path": settings.STATE / service / "locks"},
    }
