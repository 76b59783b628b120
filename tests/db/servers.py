"""Private database servers from Debian's packages: own data, own socket, stopped by pid."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import ports
from tests.process import running
from tests.waiting import until


@contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """A MariaDB with an empty database; its URL."""
    data, port, log = folder / "data", ports.free(), folder / "log"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", f"--user={_me()}"]
    subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    # a path of its own: a socket's path must be short
    run = Path("/tmp") / f"liveupdate-mariadb-{port}"
    argv = ["mariadbd", "--no-defaults", f"--user={_me()}", f"--datadir={data}", f"--socket={run}.sock"]
    argv += [f"--pid-file={folder}/pid", "--bind-address=127.0.0.1", f"--port={port}", "--skip-log-bin"]
    with running(argv, log, port):
        client = ["mariadb", "--no-defaults", "-uroot", f"--socket={run}.sock"]
        sql = "CREATE DATABASE liveupdate; GRANT ALL ON liveupdate.* TO test@'127.0.0.1' IDENTIFIED BY 'test';"
        subprocess.run(client, input=sql, text=True, check=True)
        yield f"mysql+pymysql://test:test@127.0.0.1:{port}/liveupdate"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL with an empty database; its URL. The server refuses to run as root."""
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
    with running(argv, folder / "log", port, user):
        createdb = [str(binaries / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "test", "liveupdate"]
        _until_ready(createdb)
        yield f"postgresql+psycopg://test@127.0.0.1:{port}/liveupdate"


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
