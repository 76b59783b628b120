"""The databases, in a MariaDB of the lab's own. Its root is this machine's root, over the socket only."""

import shutil
import subprocess
from pathlib import Path

from lab import ports, settings
from lab.passwords import password
from lab.processes import Process

PACKAGES = ("mariadb-client", "mariadb-server-core")
DATABASES = ("keystone", "glance", "placement", "nova_api", "nova_cell0", "nova", "cinder", "neutron")
USER = "lab"
HOME = settings.STATE / "mariadb"
SOCKET = settings.RUN / "mariadb.sock"


def configure() -> None:
    """Make the data directory, once."""
    if (HOME / "made").exists():
        return
    shutil.rmtree(HOME, ignore_errors=True)  # the rest of an interrupted attempt
    HOME.mkdir(parents=True, mode=0o700)
    settings.RUN.mkdir(parents=True, exist_ok=True)
    command = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={HOME}", "--skip-test-db"]
    subprocess.run([*command, "--auth-root-socket-user=root"], check=True, capture_output=True)
    (HOME / "made").touch()


def processes() -> list[Process]:
    return [
        Process(
            name="mariadb",
            argv=[
                *("mariadbd", "--no-defaults", "--user=root", f"--datadir={HOME}", f"--socket={SOCKET}"),
                *(f"--pid-file={HOME}/mariadbd.pid", "--bind-address=127.0.0.1", f"--port={settings.MARIADB_PORT}"),
                # a commit reaches the kernel, not the disk: it survives a killed server, and that is enough here
                *("--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0", "--skip-log-bin"),
                *("--innodb-buffer-pool-size=256M", "--max-connections=1000", "--performance-schema=off"),
                *("--character-set-server=utf8mb3", "--skip-name-resolve"),
            ],
            ready=lambda: ports.listening("127.0.0.1", settings.MARIADB_PORT),
            port=settings.MARIADB_PORT,
        )
    ]


def url(database: str) -> str:
    login = f"{USER}:{password('mariadb')}@127.0.0.1:{settings.MARIADB_PORT}"
    return f"mysql+pymysql://{login}/{database}?charset=utf8&unix_socket={SOCKET}"


def create() -> None:
    """Empty databases, whatever was in them, and the user of the services."""
    statements = [f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name};" for name in DATABASES]
    for host in ("127.0.0.1", "localhost"):
        statements.append(f"GRANT ALL ON *.* TO {USER}@'{host}' IDENTIFIED BY '{password('mariadb')}';")
    _run("mariadb", "--batch", text="\n".join(statements))


def dump(file: Path) -> None:
    """Write every database into file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(_run("mariadb-dump", "--databases", *DATABASES))
    draft.replace(file)


def load(file: Path) -> None:
    _run("mariadb", text=file.read_text())


def _run(program: str, *arguments: str, text: str = "") -> str:
    """Raises RuntimeError with what the program said; statements stay out of it, they hold a password."""
    command = [program, "--no-defaults", f"--socket={SOCKET}", "--user=root", *arguments]
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.strip()}")
    return done.stdout
