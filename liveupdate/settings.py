"""Every option of the service. ``load()`` reads them once into frozen values; nothing else touches oslo.config."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from oslo_config import cfg

_LOG = cfg.OptGroup("log", "What is written to stderr")
_API = cfg.OptGroup("api", "The REST API")
_DATABASE = cfg.OptGroup("database", "The truth: jobs, journal, ledger, events")
_MESSAGING = cfg.OptGroup("messaging", "The nudge between API and workers; without it workers poll")
_CLOUD = cfg.OptGroup("cloud", "The cloud to work on")
_WORKER = cfg.OptGroup("worker", "The worker processes")
_GUEST = cfg.OptGroup("guest", "Access to the servers that are updated")
_SURROGATE = cfg.OptGroup("surrogate", "The method surrogate")
_METRICS = cfg.OptGroup("metrics", "How busy hosts are: for the placement policies of utilization")
_NOTIFICATIONS = cfg.OptGroup("notifications", "What happens to jobs, told on the message bus; and the audit")
_WEBHOOKS = cfg.OptGroup("webhooks", "What happens to jobs, told over HTTP to those without a bus")

_OPTIONS: tuple[tuple[cfg.OptGroup, tuple[cfg.Opt, ...]], ...] = (
    (
        _LOG,
        (
            cfg.StrOpt(
                "format", default="text", choices=("text", "json"), help="For people, or one JSON object a line."
            ),
        ),
    ),
    (
        _API,
        (
            cfg.HostAddressOpt("host", default="127.0.0.1", help="Address the API listens on."),
            cfg.PortOpt("port", default=9323, help="Port the API listens on."),
            cfg.IntOpt("max_body", default=114688, min=1024, help="Bytes that a request's body may have."),
            cfg.IntOpt("max_streams", default=200, min=0, help="Streams of events that one process serves at a time."),
            cfg.IntOpt(
                "rate_limit",
                default=6000,
                min=0,
                help="Requests per minute that one process takes from one project; 0: any number.",
            ),
            cfg.IntOpt(
                "jobs_per_project", default=100, min=0, help="Jobs of one project that may be open; 0: any number."
            ),
        ),
    ),
    (
        _DATABASE,
        (
            cfg.StrOpt(
                "connection",
                default="sqlite:///liveupdate.sqlite",
                secret=True,
                help="SQLAlchemy URL: SQLite for one process (liveupdate-all), MariaDB or PostgreSQL for any number.",
            ),
        ),
    ),
    (
        _MESSAGING,
        (
            cfg.StrOpt(
                "transport_url",
                default="",
                secret=True,
                help="oslo.messaging URL of the broker (rabbit://…). Empty: no broker, workers poll the database.",
            ),
        ),
    ),
    (
        _CLOUD,
        (
            cfg.StrOpt("name", default="liveupdate", help="Entry of clouds.yaml with the service user's credentials."),
            cfg.ListOpt(
                "trust_roles",
                default=["member"],
                help="Roles a job's trust carries, of those that the requester has.",
            ),
        ),
    ),
    (
        _WORKER,
        (
            cfg.IntOpt("threads", default=8, min=1, help="Jobs that one worker process drives at the same time."),
            cfg.FloatOpt(
                "lease", default=20.0, min=1.0, help="Seconds until a silent worker's jobs may be taken over."
            ),
            cfg.FloatOpt("poll_interval", default=2.0, min=0.05, help="Seconds between looks into the database."),
            cfg.HostAddressOpt("metrics_host", default="127.0.0.1", help="Address of the worker's /metrics."),
            cfg.PortOpt("metrics_port", default=0, help="Port of the worker's /metrics, for Prometheus. 0: none."),
        ),
    ),
    (
        _GUEST,
        (
            cfg.StrOpt(
                "user", default="root", help="User to log in as; must be root, or able to sudo without password."
            ),
            cfg.StrOpt("private_key_file", default="", help="Private ssh key that the servers accept; mode 0600."),
            cfg.FloatOpt("connect_timeout", default=15.0, help="Seconds to wait for a guest's ssh to answer."),
            cfg.StrOpt(
                "authority_file",
                default="",
                help="Private ssh key of an authority that the servers' sshd trusts (TrustedUserCAKeys); mode 0600. "
                "Instead of private_key_file: each connection has a key of its own, certified for minutes.",
            ),
        ),
    ),
    (
        _SURROGATE,
        (
            cfg.FloatOpt(
                "dead_man", default=60.0, help="Seconds from the freeze until the original resumes by itself."
            ),
            cfg.FloatOpt("open_within", default=60.0, help="Seconds from the grant within which a surrogate may open."),
            cfg.FloatOpt("budget", default=30.0, help="Blackout, in seconds, allowed to an update that does not say."),
            cfg.IntOpt("fallback_days", default=7, min=0, help="Days that the fallback snapshots are kept."),
        ),
    ),
    (
        _METRICS,
        (
            cfg.StrOpt("source", default="none", help="Where hosts are measured: none or prometheus."),
            cfg.StrOpt("url", default="", secret=True, help="Root of the source: http://prometheus.example:9090"),
            cfg.StrOpt(
                "host_label",
                default="instance",
                regex="^[a-zA-Z_][a-zA-Z0-9_]*$",
                help="Prometheus: label that holds the host's name as Nova knows it; a port at its end is cut off.",
            ),
            cfg.FloatOpt("max_age", default=120.0, min=1.0, help="Seconds after which a host's last sample is stale."),
        ),
    ),
    (
        _NOTIFICATIONS,
        (
            cfg.StrOpt(
                "transport_url",
                default="",
                secret=True,
                help="oslo.messaging URL of the broker (rabbit://…). Empty: no notifications. Somebody must consume "
                "the queues, or they grow.",
            ),
            cfg.StrOpt("topic", default="notifications", help="The queues are TOPIC.info and TOPIC.error."),
        ),
    ),
    (
        _WEBHOOKS,
        (
            cfg.StrOpt(
                "key_file",
                default="",
                help="File with at least 32 random bytes, of which the key of each project is made, that its webhooks "
                "are signed with (liveupdate-manage webhook key PROJECT). The same on all API and worker hosts, and "
                "not readable by others. Empty: no webhooks.",
            ),
            cfg.MultiStrOpt(
                "subscription",
                default=[],
                secret=True,
                help="PROJECT URL: every job of the project is told there, * for all projects. One line for each.",
            ),
            cfg.ListOpt(
                "allowed_networks",
                default=[],
                help="Networks (10.1.0.0/16, …) that webhooks may lead to, beside public addresses. Only there is "
                "plain http allowed.",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Limits:
    """Of the API; 0 for the last two: none."""

    max_body: int = 114688
    max_streams: int = 200
    rate_limit: int = 6000
    jobs_per_project: int = 100


@dataclass(frozen=True)
class Api:
    host: str
    port: int
    limits: Limits


@dataclass(frozen=True)
class Cloud:
    name: str
    trust_roles: tuple[str, ...]


@dataclass(frozen=True)
class Worker:
    threads: int
    lease: float
    poll_interval: float
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0


@dataclass(frozen=True)
class Guest:
    user: str
    private_key_file: str
    connect_timeout: float
    #: Its keys are certified by it, instead.
    authority_file: str = ""


@dataclass(frozen=True)
class Surrogate:
    dead_man: float
    open_within: float
    budget: float
    fallback_days: int


@dataclass(frozen=True)
class Metrics:
    """``url`` may hold a password: never log it."""

    source: str
    url: str
    host_label: str
    max_age: float


@dataclass(frozen=True)
class Notifications:
    """``transport_url`` holds a password: never log it."""

    transport_url: str
    topic: str


@dataclass(frozen=True)
class Webhooks:
    """``subscriptions``: (project or "*", URL); the URLs may hold secrets: never log them."""

    key_file: str = ""
    subscriptions: tuple[tuple[str, str], ...] = ()
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True)
class Settings:
    """All options, each group a value; ``database`` and ``transport_url`` hold passwords: never log them."""

    log_format: str
    api: Api
    database: str
    transport_url: str
    cloud: Cloud
    worker: Worker
    guest: Guest
    surrogate: Surrogate
    metrics: Metrics
    notifications: Notifications
    webhooks: Webhooks


def load(arguments: Sequence[str] = (), config_files: Sequence[Path] | None = None) -> Settings:
    """Read command line and configuration files (default: liveupdate.conf in oslo.config's usual places).

    Raises oslo_config.cfg.Error for an unknown file or a value out of range, ValueError for one that is malformed.
    """
    conf = cfg.ConfigOpts()
    for group, options in _OPTIONS:
        conf.register_group(group)
        conf.register_opts(options, group)
    files = None if config_files is None else [str(f) for f in config_files]
    conf(list(arguments), project="liveupdate", default_config_files=files)
    return Settings(
        log_format=conf.log.format,
        api=Api(
            conf.api.host,
            conf.api.port,
            Limits(conf.api.max_body, conf.api.max_streams, conf.api.rate_limit, conf.api.jobs_per_project),
        ),
        database=conf.database.connection,
        transport_url=conf.messaging.transport_url,
        cloud=Cloud(conf.cloud.name, tuple(conf.cloud.trust_roles)),
        worker=Worker(
            conf.worker.threads,
            conf.worker.lease,
            conf.worker.poll_interval,
            conf.worker.metrics_host,
            conf.worker.metrics_port,
        ),
        guest=Guest(
            conf.guest.user, conf.guest.private_key_file, conf.guest.connect_timeout, conf.guest.authority_file
        ),
        surrogate=Surrogate(
            conf.surrogate.dead_man, conf.surrogate.open_within, conf.surrogate.budget, conf.surrogate.fallback_days
        ),
        metrics=Metrics(conf.metrics.source, conf.metrics.url, conf.metrics.host_label, conf.metrics.max_age),
        notifications=Notifications(conf.notifications.transport_url, conf.notifications.topic),
        webhooks=Webhooks(
            conf.webhooks.key_file,
            tuple(_subscription(line) for line in conf.webhooks.subscription),
            tuple(ip_network(network) for network in conf.webhooks.allowed_networks),
        ),
    )


def _subscription(line: str) -> tuple[str, str]:
    project, _, url = line.strip().partition(" ")
    if not url:
        raise ValueError("[webhooks] subscription: a line must have a project and a URL")
    return project, url.strip()


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For oslo-config-generator."""
    return [(group.name, list(options)) for group, options in _OPTIONS]
