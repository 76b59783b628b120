"""PostgreSQL in a guest under load: transfers between accounts, whose balances must agree whatever happens."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.demo import servers
from lab.settings import PATIENCE

_PGBENCH = Path("/usr/lib/postgresql/15/bin/pgbench")
_BALANCES = (
    "psql -h localhost -U postgres -Atc 'SELECT (SELECT sum(abalance) FROM pgbench_accounts),"
    " (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(delta) FROM pgbench_history)'"
)


def until_ready(guest: servers.Guest) -> None:
    servers.wait_for(lambda: "accepting" in guest.ssh("pg_isready -h localhost", check=False), PATIENCE, "PostgreSQL")


@contextmanager
def pgbench(address: str) -> Iterator[None]:
    """Four clients at work on PostgreSQL; raises AssertionError if one of them was aborted."""
    common = [str(_PGBENCH), "-h", address, "-U", "postgres"]
    subprocess.run([*common, "-i", "-q", "-s", "1", "postgres"], check=True, capture_output=True)
    load = [*common, "-n", "-c", "4", "-j", "1", "-R", "20", "-T", "3600", "postgres"]
    with subprocess.Popen(load, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield
            assert process.poll() is None, "pgbench has ended"
        finally:
            process.terminate()
            _, errors = process.communicate()
    assert "aborted" not in errors, errors[-2000:]


def assert_balanced(guest: servers.Guest) -> None:
    """No transfer is there by half."""
    totals = guest.ssh(_BALANCES).split("|")
    assert len(set(totals)) == 1, f"balances differ: {totals}"
