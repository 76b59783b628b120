"""``openstack live update method …``"""

import argparse
from typing import Any

from osc_lib.cli.format_columns import ListColumn
from osc_lib.command import command

from liveupdate.osc.plugin import client
from liveupdate.osc.v1.problems import told

_COLUMNS = ("name", "title", "pivot", "steps")


class ListMethod(command.Lister):
    """List the ways to update, and their steps"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        with told():
            found = [(m.name, m.title, m.pivot, [step["name"] for step in m.steps]) for m in client(self).methods()]
        return _COLUMNS, [(*told_of, ListColumn(steps)) for *told_of, steps in found]
