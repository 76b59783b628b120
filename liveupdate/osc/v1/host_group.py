"""``openstack live update host group …``"""

import argparse
from itertools import islice
from typing import Any

from osc_lib.cli.format_columns import ListColumn
from osc_lib.command import command

from liveupdate.osc.plugin import client
from liveupdate.osc.v1.arguments import add_pages, pages
from liveupdate.osc.v1.problems import told

_RULES = ("policy", "fill_ceiling", "minimum_paths", "make_room", "without_metrics")
_COLUMNS = ("name", *_RULES, "hosts")
_DETAIL = (*_COLUMNS, "faults")

_POLICIES = "striping, packing, cpu_allocation, memory_allocation, cpu_utilization or memory_utilization"


def _row(group: Any, columns: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ListColumn(v) if isinstance(v := getattr(group, c), list) else v for c in columns)


def _add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy", metavar="<policy>", help=f"How hosts are chosen: {_POLICIES}")
    parser.add_argument(
        "--fill-ceiling",
        type=int,
        metavar="<percent>",
        help="Share of a host's processors and memory that may be allocated with a newcomer",
    )
    parser.add_argument("--minimum-paths", type=int, metavar="<n>", help="Paths that every volume must have")
    parser.add_argument(
        "--without-metrics",
        metavar="<what>",
        help="Where a host's utilization is not known: refuse it, or the policy to choose by instead",
    )
    parser.add_argument(
        "--make-room", action=argparse.BooleanOptionalAction, default=None, help="Whether neighbours may be moved away"
    )


def _rules(parsed_args: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name in _RULES if (value := getattr(parsed_args, name)) is not None}


class _OneGroup(command.ShowOne):
    rules = False
    host = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="Name of the host group")
        if self.host:
            parser.add_argument("host", metavar="<host>", help="Name of the host, as Nova knows it")
        if self.rules:
            _add_rules(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        with told():
            return _DETAIL, _row(self.act(client(self), parsed_args), _DETAIL)

    def act(self, service: Any, parsed_args: argparse.Namespace) -> Any:
        raise NotImplementedError


class CreateHostGroup(_OneGroup):
    """Create a host group, without hosts"""

    rules = True

    def act(self, service: Any, parsed_args: argparse.Namespace) -> Any:
        return service.create_host_group(name=parsed_args.group, **_rules(parsed_args))


class SetHostGroup(_OneGroup):
    """Change a host group's rules, also those of the default group"""

    rules = True

    def act(self, service: Any, parsed_args: argparse.Namespace) -> Any:
        return service.update_host_group(parsed_args.group, **_rules(parsed_args))


class ShowHostGroup(_OneGroup):
    """Show a host group"""

    def act(self, service: Any, parsed_args: argparse.Namespace) -> Any:
        return service.get_host_group(parsed_args.group)


class AddHost(_OneGroup):
    """Put a host of the default group into another one"""

    host = True

    def act(self, service: Any, parsed_args: argparse.Namespace) -> Any:
        return service.add_host_to_group(parsed_args.group, parsed_args.host)


class RemoveHost(_OneGroup):
    """Take a host out of its group: it falls back to the default group"""

    host = True

    def act(self, service: Any, parsed_args: argparse.Namespace) -> Any:
        return service.remove_host_from_group(parsed_args.group, parsed_args.host)


class ListHostGroup(command.Lister):
    """List the host groups: every host is in exactly one"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_pages(parser, "the default group first, then name:asc")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        with told():
            found = islice(client(self).host_groups(**pages(parsed_args)), parsed_args.limit)
            return _COLUMNS, [_row(group, _COLUMNS) for group in found]


class DeleteHostGroup(command.Command):
    """Delete a host group that has no hosts"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="Name of the host group")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with told():
            client(self).delete_host_group(parsed_args.group)
