"""``openstack live update preview …``"""

import argparse
from itertools import islice
from typing import Any

from osc_lib.command import command

from liveupdate.osc.plugin import client, connection
from liveupdate.osc.v1.arguments import add_list, add_update, listed, update
from liveupdate.osc.v1.problems import told
from liveupdate.osc.v1.progress import wait_for_preview

_COLUMNS = ("verdict", "code", "subject", "detail", "remedy")


_LISTED = ("id", "method", "server", "state", "created_at", "expires_at")


def _row(preview: Any) -> tuple[Any, ...]:
    return tuple((preview.server or {}).get("name") if c == "server" else getattr(preview, c) for c in _LISTED)


def _findings(preview: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    return _COLUMNS, [tuple(finding[c] for c in _COLUMNS) for finding in preview.findings or []]


class CreatePreview(command.Lister):
    """Run the checks of an update; touches nothing"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_update(parser)
        parser.add_argument("--wait", action="store_true", help="Wait for the findings")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        service = client(self)
        with told():
            preview = service.create_preview(**update(connection(self), parsed_args))
            self.app.stderr.write(f"preview {preview.id}\n")
            if parsed_args.wait:
                preview = wait_for_preview(service, preview.id)
        return _findings(preview)


class ShowPreview(command.Lister):
    """Show the findings of a preview"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("preview", metavar="<preview>", help="Id of the preview")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        with told():
            return _findings(client(self).get_preview(parsed_args.preview))


class ListPreview(command.Lister):
    """List previews, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_list(parser, "state", "method", "server", "user")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        with told():
            found = islice(client(self).previews(**listed(connection(self), parsed_args)), parsed_args.limit)
            return _LISTED, [_row(preview) for preview in found]
