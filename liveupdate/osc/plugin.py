"""How OpenStackClient finds the service's client."""

import argparse
from typing import Any

from liveupdate.client import add_service

DEFAULT_API_VERSION = "1"
API_VERSION_OPTION = "os_live_update_api_version"
API_NAME = "live_update"
#: openstacksdk takes what is behind the dot for the microversion; "1" leaves it to the client.
API_VERSIONS = ("1", "1.0")


def make_client(instance: Any) -> Any:
    return add_service(instance.sdk_connection)


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--os-live-update-api-version",
        metavar="<live-update-api-version>",
        default=DEFAULT_API_VERSION,
        choices=API_VERSIONS,
        help=f"Live update API version (default: {DEFAULT_API_VERSION})",
    )
    return parser


def client(command: Any) -> Any:
    """The service's proxy, for a command of ours."""
    return command.app.client_manager.live_update


def connection(command: Any) -> Any:
    """openstacksdk's connection, for a command of ours."""
    return command.app.client_manager.sdk_connection
