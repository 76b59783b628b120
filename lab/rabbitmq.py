"""The message bus, and the port mapper it needs, on the lab's own ports."""

from lab import ports, settings
from lab.passwords import password, write_private
from lab.processes import Process

PACKAGES = ("rabbitmq-server",)
USER = "lab"
HOME = settings.STATE / "rabbitmq"
CONF = settings.ETC / "rabbitmq.conf"


def configure() -> None:
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(
        CONF,
        f"""\
listeners.tcp.public = {settings.PUBLIC_ADDRESS}:{settings.RABBITMQ_PORT}
listeners.tcp.management = {settings.MANAGEMENT_ADDRESS}:{settings.RABBITMQ_PORT}
default_user = {USER}
default_pass = {password("rabbitmq")}
loopback_users = none
log.console = true
log.console.level = warning
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
""",
    )
    (settings.ETC / "rabbitmq-plugins").write_text("[].\n")


def processes() -> list[Process]:
    mapper = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(settings.EPMD_PORT)}
    return [
        Process(
            name="epmd",  # started by us: RabbitMQ would leave one behind
            argv=["epmd"],
            env=mapper,
            ready=lambda: ports.listening("127.0.0.1", settings.EPMD_PORT),
            port=settings.EPMD_PORT,
        ),
        Process(
            name="rabbitmq",
            argv=["/usr/lib/rabbitmq/bin/rabbitmq-server"],
            env={
                **mapper,
                "HOME": str(HOME),
                "RABBITMQ_NODENAME": "lab@localhost",
                "RABBITMQ_CONFIG_FILE": str(CONF),
                "RABBITMQ_MNESIA_BASE": str(HOME),
                "RABBITMQ_LOG_BASE": str(HOME),
                "RABBITMQ_LOGS": "-",
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(settings.ETC / "rabbitmq-plugins"),
                "RABBITMQ_DIST_PORT": str(settings.RABBITMQ_DISTRIBUTION_PORT),
                "RABBITMQ_PID_FILE": str(HOME / "pid"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                    "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
                ),
            },
            ready=lambda: ports.listening(settings.MANAGEMENT_ADDRESS, settings.RABBITMQ_PORT),
            port=settings.RABBITMQ_PORT,
        ),
    ]


def url() -> str:
    return f"rabbit://{USER}:{password('rabbitmq')}@{settings.MANAGEMENT_ADDRESS}:{settings.RABBITMQ_PORT}/"
