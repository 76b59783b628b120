"""``openstack live update fallback …``"""

import argparse
from itertools import islice
from typing import Any

from osc_lib.cli.format_columns import ListDictColumn
from osc_lib.command import command

from liveupdate.client.servers import find_server_id
from liveupdate.osc.plugin import client, connection
from liveupdate.osc.v1.arguments import add_key, add_pages, key, pages
from liveupdate.osc.v1.job import job_ended
from liveupdate.osc.v1.problems import told

_COLUMNS = ("id", "server", "kind", "size", "made_at", "kept_until", "job")
_DETAIL = (*_COLUMNS, "original_server_id", "project_id", "parts")


def _row(fallback: Any, columns: tuple[str, ...]) -> tuple[Any, ...]:
    shown = {
        "server": (fallback.server or {}).get("name") or (fallback.server or {}).get("id"),
        "parts": ListDictColumn(fallback.parts or []),
        "job": f"{fallback.job['method']} {fallback.job['id']}" if fallback.job else "",
    }
    return tuple(shown[c] if c in shown else getattr(fallback, c) for c in columns)


class ListFallback(command.Lister):
    """List what updates have kept to return to, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--server", metavar="<server>", help="Only of this server (name or ID)")
        parser.add_argument("--all-projects", action="store_true", help="Of all projects (administrators)")
        add_pages(parser, "created_at:desc")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        query = pages(parsed_args) | ({"all_projects": True} if parsed_args.all_projects else {})
        if parsed_args.server:
            query["server_id"] = find_server_id(connection(self), parsed_args.server)
        with told():
            found = islice(client(self).fallbacks(**query), parsed_args.limit)
            return _COLUMNS, [_row(fallback, _COLUMNS) for fallback in found]


class _OneFallback(command.ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("fallback", metavar="<fallback>", help="Id of the fallback, which is that of its job")
        return parser


class ShowFallback(_OneFallback):
    """Show a fallback and what it consists of"""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        with told():
            return _DETAIL, _row(client(self).get_fallback(parsed_args.fallback), _DETAIL)


class DeleteFallback(_OneFallback):
    """End a fallback before its time: its snapshots or backups are deleted"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_key(parser)
        parser.add_argument("--wait", action="store_true", help="Wait until it is gone")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        with told():
            job = client(self).delete_fallback(parsed_args.fallback, **key(parsed_args))
            return job_ended(client(self), job, parsed_args.wait)


class RestoreFallback(_OneFallback):
    """Bring a server back at its old level from its fallback; it gets a new id, on its own port"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--data-volumes", action="store_true", help="The data volumes go back, too")
        parser.add_argument(
            "--keep-days", type=int, metavar="<days>", help="Keep what was before the restore for so long"
        )
        add_key(parser)
        parser.add_argument("--wait", action="store_true", help="Show progress until the job ends")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        asked: dict[str, Any] = {"data_volumes": parsed_args.data_volumes, **key(parsed_args)}
        if parsed_args.keep_days is not None:
            asked["keep_fallback_days"] = parsed_args.keep_days
        with told():
            job = client(self).restore_fallback(parsed_args.fallback, **asked)
            return job_ended(client(self), job, parsed_args.wait)
