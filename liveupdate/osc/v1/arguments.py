"""The arguments that commands share: what to update, when, and what to list."""

import argparse
from collections.abc import Sequence
from typing import Any

from liveupdate.client.servers import find_server, find_server_id


def add_update(parser: argparse.ArgumentParser, *, preview: bool = False) -> None:
    """``preview``: what to update may be said by a preview instead."""
    which: Any = parser
    if preview:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--preview", metavar="<preview>", help="Start from this preview: its server and parameters")
    which.add_argument("--server", metavar="<server>", required=not preview, help="Server to update (name or ID)")
    parser.add_argument("--method", metavar="<method>", default="surrogate", help="Update method (default: surrogate)")
    parser.add_argument("--kernel", metavar="<package>", help="Kernel package, or newest (default), or keep")
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
    asked: dict[str, Any]
    if getattr(parsed_args, "preview", None):
        preview = connection.live_update.get_preview(parsed_args.preview)
        asked = {"method": preview.method, "server_id": preview.server["id"], "preview_id": preview.id}
    else:
        server = find_server(connection, parsed_args.server)
        asked = {"method": parsed_args.method, "server_id": server.id}
    if parsed_args.kernel:
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


def add_times(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--not-before", metavar="<time>", help="Begin no sooner (ISO 8601, with its zone)")
    parser.add_argument("--deadline", metavar="<time>", help="Undo it if it has not come to its pivot by then")
    parser.add_argument(
        "--window", metavar="<window>", help="Maintenance window, UTC: 22:00-04:00, or sat,sun 22:00-04:00"
    )
    parser.add_argument("--require-approval", action="store_true", help="Wait for the approval of somebody else")
    add_key(parser)
    parser.add_argument(
        "--webhook",
        dest="webhooks",
        metavar="<url>",
        action="append",
        help="https:// URL that is told what happens to the job, where the service offers it; what is secret in it is "
        "not shown again (repeat for up to 4)",
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--idempotency-key", metavar="<key>", help="The same request with the same key makes one job, however often"
    )


def key(parsed_args: argparse.Namespace) -> dict[str, str]:
    return {"idempotency_key": parsed_args.idempotency_key} if parsed_args.idempotency_key else {}


def times(parsed_args: argparse.Namespace) -> dict[str, Any]:
    names = ("not_before", "deadline", "window", "require_approval", "idempotency_key", "webhooks")
    return {name: value for name in names if (value := getattr(parsed_args, name))}


def add_list(parser: argparse.ArgumentParser, *filters: str) -> None:
    for name in filters:
        parser.add_argument(f"--{name}", metavar=f"<{name}>", help=f"Only those of this {name}")
    parser.add_argument("--changes-since", metavar="<time>", help="Only those that changed since (ISO 8601)")
    add_pages(parser, "created_at:desc")


def add_pages(parser: argparse.ArgumentParser, order: str) -> None:
    """``order``: what is said without --sort."""
    parser.add_argument("--sort", metavar="<key>:<asc|desc>", help=f"Default: {order}")
    parser.add_argument("--limit", type=int, metavar="<n>", help="At most so many")


def pages(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """The part of a list's query that add_pages has asked for. The list is to be cut, too: page follows page."""
    sort = {"sort": parsed_args.sort} if parsed_args.sort else {}
    return sort | ({"limit": min(parsed_args.limit, 1000)} if parsed_args.limit else {})


def listed(connection: Any, parsed_args: argparse.Namespace) -> dict[str, Any]:
    """The query of a list; the server's name resolved. Raises openstack.exceptions.NotFoundException."""
    given = {name: value for name, value in vars(parsed_args).items() if value}
    query = {name: given[name] for name in _QUERY if name in given}
    query |= {f"{name}_id": given[name] for name in ("user", "project", "preview") if name in given}
    if "server" in given:
        query["server_id"] = find_server_id(connection, given["server"])
    return query | pages(parsed_args)


_QUERY = ("state", "method", "step", "approval", "all_projects", "changes_since")
