"""``openstack live update placement …``"""

import argparse
from typing import Any

from osc_lib.command import command

from liveupdate.client.servers import find_server
from liveupdate.osc.plugin import client, connection
from liveupdate.osc.v1.arguments import add_same_host
from liveupdate.osc.v1.problems import told

_COLUMNS = ("host", "verdict", "score", "reason")
Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]


class _Explained(command.Lister):
    def explained(self, placement: Any) -> Table:
        """The best host first; what holds for all hosts goes to stderr."""
        lines = [f"group {placement.group}, policy {placement.policy}", placement.note or ""]
        lines += [f"Nova refused {host}: {why}" for host, why in (placement.refused_by_nova or {}).items()]
        lines += [f"not listed: {n} × {kind}" for kind, n in (placement.left_out or {}).items()]
        lines += [f"to make room: {move['name']} from {move['from']} to {move['to']}" for move in placement.moves or []]
        lines.append(f"host: {placement.host or 'none can take it now'}")
        lines.append(f"no room can be made: {placement.why_not}" if placement.why_not else "")
        self.app.stderr.write("\n".join(line for line in lines if line) + "\n")
        return _COLUMNS, [tuple(host[c] for c in _COLUMNS) for host in placement.hosts or []]


class ExplainPlacement(_Explained):
    """Show for every host whether a server's twin could go there, and why; changes nothing"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--server", metavar="<server>", required=True, help="Server to update (name or ID)")
        parser.add_argument("--group", metavar="<group>", help="Host group (default: the one of the server's host)")
        add_same_host(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        server = find_server(connection(self), parsed_args.server)
        wishes = {"group": parsed_args.group, "same_host": parsed_args.same_host}
        with told():
            placement = client(self).explain_placement(server.id, **{k: v for k, v in wishes.items() if v})
            return self.explained(placement)


class ShowPlacement(_Explained):
    """Show how a job's surrogate was placed"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("job", metavar="<job>", help="Id of the job")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        with told():
            return self.explained(client(self).get_placement(parsed_args.job))
