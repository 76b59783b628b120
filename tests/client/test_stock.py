"""The client's extra alone, in a venv of its own: all of the command line, and nothing of the server.

Marked "lab" for the time that it takes, and for the package index that it needs; the lab's own Keystone and catalog
are asked with it in tests/api/test_keystone.py.
"""

import json
import os
import subprocess
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from sqlalchemy import Engine

from liveupdate.testing.jobs import unreachable
from tests.api.conftest import Cloud, services_of
from tests.api.serving import serving

pytestmark = pytest.mark.lab

Openstack = Callable[..., "subprocess.CompletedProcess[str]"]
COMMANDS = sorted(point.name.replace("_", " ") for point in entry_points(group="openstack.live_update.v1"))
#: Of the server's extra, and no client's business.
SERVERS = (
    *("alembic", "fastapi", "keystonemiddleware", "oslo_messaging", "oslo_policy", "paramiko", "pydantic"),
    *("psycopg", "pymysql", "sqlalchemy", "uvicorn"),
)


@pytest.fixture
def environment() -> dict[str, str]:
    """Nothing that this very run has, neither its modules nor its cloud."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture
def openstack(stock: Path, environment: dict[str, str], tmp_path: Path) -> Openstack:
    def run(*argv: str) -> "subprocess.CompletedProcess[str]":
        command = [str(stock / "openstack"), *argv]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture
def python(stock: Path, environment: dict[str, str], tmp_path: Path) -> Callable[[str], str]:
    def run(program: str) -> str:
        argv = [str(stock / "python"), "-c", program]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_nothing_of_the_server_is_installed(python: Callable[[str], str]) -> None:
    assert python(f"from importlib.util import find_spec; print([n for n in {SERVERS!r} if find_spec(n)])") == "[]"


def test_openstack_knows_the_commands(openstack: Openstack) -> None:
    shown = openstack("live", "update", "--help")
    assert [command for command in COMMANDS if f"  {command}\n" not in shown.stdout] == [], shown.stderr


def test_a_command_explains_itself(openstack: Openstack) -> None:
    shown = openstack("live", "update", "job", "list", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("usage: openstack live update job list ")
    assert "List live-update jobs, newest first" in shown.stdout


def test_every_command_can_be_loaded_and_explains_itself(python: Callable[[str], str]) -> None:
    program = """
from importlib.metadata import entry_points
from types import SimpleNamespace
for point in entry_points(group="openstack.live_update.v1"):
    command = point.load()(SimpleNamespace(), None)
    assert command.get_parser(point.name).format_help() and command.get_description(), point.name
    print(point.name.replace("_", " "))
"""
    assert sorted(python(program).splitlines()) == COMMANDS


def test_completion_knows_every_command(openstack: Openstack) -> None:
    done = openstack("complete")
    assert done.returncode == 0, done.stderr
    told = {line.strip().partition("=")[0] for line in done.stdout.splitlines()}
    assert [command for command in COMMANDS if f"cmds_{command.replace(' ', '_')}" not in told] == []


def test_it_speaks_with_the_service(openstack: Openstack, sqlite: Engine) -> None:
    with serving(services_of(sqlite, Cloud(), unreachable)) as url:
        who = ("--os-auth-type", "admin_token", "--os-endpoint", f"{url}/v1", "--os-token", "member@mine")
        listed = openstack(
            *who, "--os-live-update-api-version", "1.0", "live", "update", "method", "list", "-f", "json"
        )
        refused = openstack(*who, "live", "update", "job", "show", "99999999-9999-4999-8999-999999999999")
    assert [method["name"] for method in json.loads(listed.stdout)] == ["surrogate"], listed.stderr
    assert refused.returncode == 1
    assert "live-update.job.not-found" in refused.stderr
    assert "Remedy: " in refused.stderr
