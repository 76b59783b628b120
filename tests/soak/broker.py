"""A private RabbitMQ: its own node, data, cookie and ports. It may go away, and come back, while others use it."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab import rabbitmq
from lab.passwords import write_private
from tests import ports
from tests.process import running


class Broker:
    """``folder``: its own; ``mapper``: the port of its port mapper."""

    def __init__(self, folder: Path, mapper: int) -> None:
        self._port, secret = ports.free(), secrets.token_hex()
        self.url = f"rabbit://{rabbitmq.USER}:{secret}@127.0.0.1:{self._port}/"
        self._log = folder / "rabbitmq.log"
        conf, plugins = folder / "rabbitmq.conf", folder / "plugins"
        write_private(conf, rabbitmq.configuration(secret, [f"127.0.0.1:{self._port}"]))
        plugins.write_text("[].\n")
        own = rabbitmq.environment(f"soak-{self._port}", folder, conf, plugins, ports.free())
        self._env = {**rabbitmq.mapper(mapper), **own}
        self._up = ExitStack()

    def start(self) -> None:
        self._up.enter_context(running(rabbitmq.SERVER, self._log, self._port, env=self._env))

    def stop(self) -> None:
        self._up.close()


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """One that runs. ``folder``: is made."""
    folder.mkdir()
    port = ports.free()
    with running(rabbitmq.MAPPER, folder / "epmd.log", port, env=rabbitmq.mapper(port)):
        there = Broker(folder, port)
        there.start()
        try:
            yield there
        finally:
            there.stop()
