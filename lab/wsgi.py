"""The APIs under uwsgi, each on the public and the management address."""

from collections.abc import Mapping
from types import MappingProxyType

from lab import ports, settings
from lab.processes import Process


def api(
    name: str,
    module: str,
    port: int,
    env: Mapping[str, str] = MappingProxyType({}),
    arguments: str = "",
    workers: int = 1,
) -> Process:
    """The process of one API; arguments is the command line the application itself sees."""
    listen = [f"{address}:{port}" for address in (settings.PUBLIC_ADDRESS, settings.MANAGEMENT_ADDRESS)]
    return Process(
        name=name,
        argv=[
            "uwsgi",
            *(part for address in listen for part in ("--http-socket", address)),
            *("--module", f"{module}:application", "--pyargv", arguments),
            *("--processes", str(workers), "--threads", "8", "--enable-threads", "--thunder-lock"),
            # each worker imports for itself: threads and connections do not survive a fork
            *("--master", "--lazy-apps", "--need-app", "--die-on-term"),
            *("--hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
            # an image is uploaded in chunks, and the default limit of 1 MB makes that an error 500
            *("--http-chunked-input", "--chunked-input-limit", str(256 << 20), "--chunked-input-timeout", "120"),
            *("--buffer-size", "65535", "--socket-timeout", "120", "--listen", "128"),
            *("--add-header", "Connection: close", "--so-keepalive", "--disable-logging"),
        ],
        env=dict(env),
        ready=lambda: ports.answers(settings.PUBLIC_ADDRESS, port),
        port=port,
    )
