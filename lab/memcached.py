"""The cache of tokens."""

from lab import ports, settings
from lab.processes import Process

PACKAGES = ("memcached",)


def processes() -> list[Process]:
    return [
        Process(
            name="memcached",
            argv=["memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(settings.MEMCACHED_PORT), "-m", "64"],
            ready=lambda: ports.listening("127.0.0.1", settings.MEMCACHED_PORT),
            port=settings.MEMCACHED_PORT,
        )
    ]
