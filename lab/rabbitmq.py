"""The message bus, and the port mapper it needs, on the lab's own ports."""

from collections.abc import Sequence
from pathlib import Path

from lab import ports, settings
from lab.passwords import password, write_private
from lab.processes import Process

PACKAGES = ("rabbitmq-server",)
USER = "lab"
HOME = settings.STATE / "rabbitmq"
CONF = settings.ETC / "rabbitmq.conf"
PLUGINS = settings.ETC / "rabbitmq-plugins"
#: The port mapper is started by us: RabbitMQ would leave one behind.
MAPPER = ("epmd",)
SERVER = ("/usr/lib/rabbitmq/bin/rabbitmq-server",)


def configure() -> None:
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    addresses = (settings.PUBLIC_ADDRESS, settings.MANAGEMENT_ADDRESS)
    write_private(CONF, configuration(password("rabbitmq"), [f"{each}:{settings.RABBITMQ_PORT}" for each in addresses]))
    PLUGINS.write_text("[].\n")


def configuration(secret: str, listeners: Sequence[str]) -> str:
    """``secret``: the password of USER; ``listeners``: as ADDRESS:PORT."""
    listening = "\n".join(f"listeners.tcp.{number} = {each}" for number, each in enumerate(listeners, 1))
    return f"""\
{listening}
default_user = {USER}
default_pass = {secret}
loopback_users = none
log.console = true
log.console.level = warning
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
"""


def mapper(port: int) -> dict[str, str]:
    """The environment of the port mapper, and of who asks it."""
    return {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(port)}


def environment(node: str, home: Path, conf: Path, plugins: Path, port: int) -> dict[str, str]:
    """Of a broker that shares nothing with others on this machine. ``home``: its data, and the cookie that its node is
    spoken to with; ``port``: where other nodes would speak to it."""
    return {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"{node}@localhost",
        "RABBITMQ_CONFIG_FILE": str(conf),
        "RABBITMQ_MNESIA_BASE": str(home),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_DIST_PORT": str(port),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
    }


def processes() -> list[Process]:
    asks = mapper(settings.EPMD_PORT)
    return [
        Process(
            name="epmd",
            argv=[*MAPPER],
            env=asks,
            ready=lambda: ports.listening("127.0.0.1", settings.EPMD_PORT),
            port=settings.EPMD_PORT,
        ),
        Process(
            name="rabbitmq",
            argv=[*SERVER],
            env={**asks, **environment("lab", HOME, CONF, PLUGINS, settings.RABBITMQ_DISTRIBUTION_PORT)},
            ready=lambda: ports.listening(settings.MANAGEMENT_ADDRESS, settings.RABBITMQ_PORT),
            port=settings.RABBITMQ_PORT,
        ),
    ]


def url() -> str:
    return f"rabbit://{USER}:{password('rabbitmq')}@{settings.MANAGEMENT_ADDRESS}:{settings.RABBITMQ_PORT}/"
