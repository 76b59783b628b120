"""Private database servers from Debian's packages: own data, own socket, stopped by pid.

``mariadb`` and ``postgresql`` give the URL of an empty database; the others a server that may go away meanwhile.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests import ports
from tests.process import running
from tests.waiting import PATIENCE, until


class Server:
    """It may be killed, and started again on its data and its port. ``url``: of its empty database."""

    def __init__(
        self, url: str, argv: Sequence[str], log: Path, port: int, user: str | None, killed_by: signal.Signals
    ) -> None:
        self.url = url
        self._run = partial(running, argv, log, port, user)
        self._killed_by = killed_by
        self._up = ExitStack()

    def start(self) -> None:
        self._process = self._up.enter_context(self._run())

    def kill(self) -> None:
        self._process.send_signal(self._killed_by)
        self._process.wait(PATIENCE)
        self.stop()

    def stop(self) -> None:
        self._up.close()

    @contextmanager
    def started(self) -> Iterator["Server"]:
        self.start()
        try:
            yield self
        finally:
            self.stop()


@contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    with mariadb_server(folder) as server:
        yield server.url


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    with postgresql_server(folder) as server:
        yield server.url


@contextmanager
def mariadb_server(folder: Path) -> Iterator[Server]:
    data, port, log = folder / "data", ports.free(), folder / "log"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", f"--user={_me()}"]
    subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    # a path of its own: a socket's path must be short
    run = Path("/tmp") / f"liveupdate-mariadb-{port}"
    argv = ["mariadbd", "--no-defaults", f"--user={_me()}", f"--datadir={data}", f"--socket={run}.sock"]
    argv += [f"--pid-file={folder}/pid", "--bind-address=127.0.0.1", f"--port={port}", "--skip-log-bin"]
    url = f"mysql+pymysql://test:test@127.0.0.1:{port}/liveupdate"
    with Server(url, argv, log, port, None, signal.SIGKILL).started() as server:
        client = ["mariadb", "--no-defaults", "-uroot", f"--socket={run}.sock"]
        sql = "CREATE DATABASE liveupdate; GRANT ALL ON liveupdate.* TO test@'127.0.0.1' IDENTIFIED BY 'test';"
        subprocess.run(client, input=sql, text=True, check=True)
        yield server


@contextmanager
def postgresql_server(folder: Path) -> Iterator[Server]:
    """It refuses to run as root."""
    binaries = next(Path("/usr/lib/postgresql").glob("*/bin"))
    user = "postgres" if os.geteuid() == 0 else None
    home, port = folder / "home", ports.free()
    home.mkdir()
    if user:
        for path in (folder, home):
            shutil.chown(path, user)
        _open_way(folder)
    initdb = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "test", "--auth=trust", "-E", "UTF8"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=home)
    argv = [str(binaries / "postgres"), "-D", str(home / "data"), "-p", str(port), "-k", "/tmp", "-h", "127.0.0.1"]
    url = f"postgresql+psycopg://test@127.0.0.1:{port}/liveupdate"
    # "immediate": its children die with it; those that outlive it would keep it from starting again
    with Server(url, argv, folder / "log", port, user, signal.SIGQUIT).started() as server:
        createdb = [str(binaries / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "test", "liveupdate"]
        _until_ready(createdb)
        yield server


def _until_ready(argv: Sequence[str]) -> None:
    """A starting PostgreSQL accepts connections before it takes commands."""
    said: list[str] = []

    def ready() -> bool:
        done = subprocess.run(argv, capture_output=True, text=True)
        said[:] = [done.stderr]
        return done.returncode == 0

    until(ready, lambda: "".join(said))


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _open_way(folder: Path) -> None:
    """pytest's temporary folders are for their owner only; the server's user must pass through them."""
    for parent in (folder, *folder.parents):
        if parent == Path("/tmp"):
            return
        parent.chmod(parent.stat().st_mode | 0o011)
