"""A terminal in which ``openstack live update …`` is typed: in this process, found by its entry points."""

import argparse
import io
import os
import re
import shlex
import subprocess
import warnings
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

from tests.docs.site import Site

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from osc_lib.exceptions import CommandError

#: What is typed → its entry point.
COMMANDS = {point.name.replace("_", " "): point for point in entry_points(group="openstack.live_update.v1")}
_ASSIGNED = re.compile(r"([A-Z]+)=\$\((.*)\)")
_CLOUD = re.compile(r"openstack (?:--os-cloud (\S+) )?(live update .*)")


class Unknown(Exception):
    """There is no such command."""


def split(text: str) -> tuple[str, str, list[str]]:
    """The cloud ("" if none is named), the name of the command and its arguments. Raises Unknown."""
    assigned = _ASSIGNED.fullmatch(text)
    typed = _CLOUD.fullmatch(assigned[2] if assigned else text)
    if not typed:
        raise Unknown(text)
    words = shlex.split(typed[2], comments=True)
    for count in range(len(words), 0, -1):
        if (name := " ".join(words[:count])) in COMMANDS:
            return typed[1] or "", name, words[count:]
    raise Unknown(text)


def parser(name: str, client: Any = None, out: Any = None) -> tuple[Any, argparse.ArgumentParser]:
    """The command and its parser."""
    app = SimpleNamespace(client_manager=client, stdout=out, stderr=out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        command = COMMANDS[name].load()(app, None)
    return command, command.get_parser(f"openstack {name}")


class Terminal:
    """``type`` a command, and see what it says and whether it succeeds; ``NAME=$(…)`` is remembered for ``$NAME``."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._variables: dict[str, str] = {}

    def type(self, text: str) -> tuple[bool, str]:
        if assigned := _ASSIGNED.fullmatch(text):
            fine, said = self.type(assigned[2])
            self._variables[assigned[1]] = said.strip()
            return fine, "" if fine else said
        cloud, name, arguments = split(self._expanded(text))
        out = io.StringIO()
        command, parsing = parser(name, self._site.client(cloud), out)
        with redirect_stderr(out), redirect_stdout(out):
            try:
                code = command.run(parsing.parse_args(arguments))
            except CommandError as error:
                out.write(f"{error}\n")
                code = 1
            except SystemExit:
                # the parser has said why
                code = 2
        return not code, out.getvalue()

    def _expanded(self, text: str) -> str:
        """As the shell would read it."""
        argv = ["bash", "-euc", f"printf '%s\\0' {text}"]
        read = subprocess.run(argv, env={"PATH": os.environ["PATH"], **self._variables}, capture_output=True, text=True)
        assert read.returncode == 0, f"{text}: {read.stderr}"
        return shlex.join(read.stdout.split("\0")[:-1])
