"""The arguments that say what to update, shared by jobs and previews."""

import argparse
from collections.abc import Sequence
from typing import Any

from liveupdate.client.servers import find_server


def add_update(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", metavar="<server>", required=True, help="Server to update (name or ID)")
    parser.add_argument("--method", metavar="<method>", default="surrogate", help="Update method (default: surrogate)")
    parser.add_argument(
        "--kernel", metavar="<package>", default="newest", help="Kernel package, or newest (default), or keep"
    )
    parser.add_argument(
        "--fallback",
        choices=("snapshot", "backup"),
        help="What is kept to return to: snapshots (default), or backups",
    )
    parser.add_argument(
        "--keep-fallback", type=int, metavar="<days>", help="Days that the fallback is kept; 0: not at all"
    )
    parser.add_argument("--fallback-data-volumes", action="store_true", help="The fallback holds the data volumes, too")
    parser.add_argument(
        "--mirror-type", metavar="<volume-type>", help="Volume type of the new boot volume (default: as it is)"
    )
    parser.add_argument(
        "--minimum-paths", type=int, metavar="<n>", help="Paths that every volume must have (default: the host group's)"
    )
    parser.add_argument(
        "--unit",
        metavar="<unit>[=<handover>]",
        action="append",
        default=[],
        help="Unit of the workload, and how it is handed over: move, restart, start, leave (repeat for more)",
    )
    parser.add_argument(
        "--host-group", metavar="<group>", help="Place it in this host group (managers; default: its host's)"
    )
    add_same_host(parser)
    parser.add_argument("--capture", metavar="<name>", help="Afterwards, make a golden image of the updated server")
    parser.add_argument(
        "--capture-volume",
        metavar="<volume>",
        action="append",
        default=[],
        help="Data volume (name or ID) that the golden image holds, too (repeat for more)",
    )


def add_same_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--same-host",
        choices=("last", "allow", "avoid"),
        help="The server's own host: the last resort (default), as good as any other, or never",
    )


def update(connection: Any, parsed_args: argparse.Namespace) -> dict[str, Any]:
    """The attributes of a job or preview; the server's name resolved. Raises openstack.exceptions.NotFoundException."""
    server = find_server(connection, parsed_args.server)
    asked: dict[str, Any] = {"method": parsed_args.method, "server_id": server.id}
    asked["kernel"] = None if parsed_args.kernel == "keep" else parsed_args.kernel
    chosen = {
        "fallback": parsed_args.fallback,
        "keep_fallback_days": parsed_args.keep_fallback,
        "fallback_data_volumes": parsed_args.fallback_data_volumes or None,
        "mirror_volume_type": parsed_args.mirror_type,
        "host_group": parsed_args.host_group,
        "same_host": parsed_args.same_host,
        "minimum_paths": parsed_args.minimum_paths,
    }
    asked |= {name: value for name, value in chosen.items() if value is not None}
    if parsed_args.unit:
        asked["units"] = [_unit(given) for given in parsed_args.unit]
    if parsed_args.capture:
        volumes = volume_ids(connection, parsed_args.capture_volume)
        asked["capture"] = {"name": parsed_args.capture, "volumes": volumes}
    return asked


def volume_ids(connection: Any, given: Sequence[str]) -> list[str]:
    """Raises openstack.exceptions.NotFoundException."""
    return [connection.block_storage.find_volume(name, ignore_missing=False).id for name in given]


def _unit(given: str) -> dict[str, str]:
    name, _, handover = given.partition("=")
    unit = {"name": name if name.endswith(".service") else f"{name}.service"}
    return unit | {"handover": handover} if handover else unit
