"""``openstack live update image …``"""

import argparse
import base64
from itertools import islice
from pathlib import Path
from typing import Any

from osc_lib.cli.format_columns import ListDictColumn
from osc_lib.command import command

from liveupdate.client.servers import find_server
from liveupdate.osc.plugin import client, connection
from liveupdate.osc.v1.arguments import add_key, add_pages, key, pages, volume_ids
from liveupdate.osc.v1.job import job_ended
from liveupdate.osc.v1.problems import told
from liveupdate.osc.v1.progress import wait_for_preview

_COLUMNS = ("id", "name", "size", "kernel", "source_server_id", "captured_at")
_DETAIL = (*_COLUMNS, "status", "min_disk", "min_ram", "packages_sha256", "source_image_id", "project_id", "job_id")
_CHECKED = ("preview", "state", "verdict", "captured", "findings")


class ListImage(command.Lister):
    """List the golden images of the project, newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--kernel", metavar="<release>", help="Only those whose servers run it")
        add_pages(parser, "captured_at:desc")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        query = pages(parsed_args) | ({"kernel": parsed_args.kernel} if parsed_args.kernel else {})
        with told():
            found = islice(client(self).images(**query), parsed_args.limit)
            return _COLUMNS, [tuple(getattr(image, c) for c in _COLUMNS) for image in found]


class _Job(command.ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_key(parser)
        parser.add_argument("--wait", action="store_true", help="Show progress until the job ends")
        return parser


class CaptureImage(_Job):
    """Capture a running server as a golden image, from a copy: the server itself is only frozen for a moment"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="Server to capture (name or ID)")
        parser.add_argument("--name", metavar="<name>", required=True, help="Name of the image")
        parser.add_argument(
            "--volume",
            metavar="<volume>",
            action="append",
            default=[],
            help="Data volume (name or ID) that the image holds besides the boot volume (repeat for more)",
        )
        parser.add_argument("--preview", action="store_true", help="Run the checks only; touches nothing")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        found, service = connection(self), client(self)
        server = find_server(found, parsed_args.server)
        asked = {"server_id": server.id, "name": parsed_args.name, **key(parsed_args)}
        asked["volumes"] = volume_ids(found, parsed_args.volume)
        with told():
            if not parsed_args.preview:
                return job_ended(service, service.capture_image(**asked), parsed_args.wait)
            preview = service.preview_capture(**asked)
            if parsed_args.wait:
                preview = wait_for_preview(service, preview.id)
        lists = (ListDictColumn(preview.captured or []), ListDictColumn(preview.findings or []))
        return _CHECKED, (preview.id, preview.state, preview.verdict, *lists)


class ShowImage(command.ShowOne):
    """Show a golden image: where it comes from, and what is behind it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Golden image (name or ID)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        with told():
            image = client(self).find_image(parsed_args.image)
        return (*_DETAIL, "disks"), (*(getattr(image, c) for c in _DETAIL), ListDictColumn(image.disks or []))


class DeployImage(_Job):
    """Make servers from a golden image; each proves that it is a new one with the image's kernel"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Golden image (name or ID)")
        parser.add_argument("--name", metavar="<name>", required=True, help="The servers are <name>-1, <name>-2, …")
        parser.add_argument("--count", type=int, metavar="<count>", default=1, help="How many (default: 1)")
        parser.add_argument("--flavor", metavar="<flavor>", required=True, help="Flavor (name or ID)")
        parser.add_argument("--network", metavar="<network>", required=True, help="Network (name or ID)")
        parser.add_argument("--key-name", metavar="<key-name>", help="Key pair that cloud-init puts in")
        parser.add_argument("--user-data", metavar="<file>", help="File with user data for cloud-init")
        parser.add_argument("--availability-zone", metavar="<zone>", help="Availability zone")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        found = connection(self)
        asked: dict[str, Any] = {
            "name": parsed_args.name,
            "count": parsed_args.count,
            "flavor_id": found.compute.find_flavor(parsed_args.flavor, ignore_missing=False).id,
            "network_id": found.network.find_network(parsed_args.network, ignore_missing=False).id,
            "key_name": parsed_args.key_name,
            "availability_zone": parsed_args.availability_zone,
            **key(parsed_args),
        }
        if parsed_args.user_data:
            asked["user_data"] = base64.b64encode(Path(parsed_args.user_data).read_bytes()).decode()
        asked = {name: value for name, value in asked.items() if value is not None}
        with told():
            image = client(self).find_image(parsed_args.image)
            job = client(self).deploy_image(image.id, **asked)
            return job_ended(client(self), job, parsed_args.wait)


class DeleteImage(_Job):
    """Delete a golden image and the snapshots behind it; servers that were made from it stay"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Golden image (name or ID)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        with told():
            image = client(self).find_image(parsed_args.image)
            job = client(self).delete_image(image.id, **key(parsed_args))
            return job_ended(client(self), job, parsed_args.wait)
