"""What the command line asks for is what the API is asked."""

import argparse
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.osc.v1.arguments import add_update, update


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ([], {}),
        (["--minimum-paths", "2"], {"minimum_paths": 2}),
        (["--mirror-type", "fast"], {"mirror_volume_type": "fast"}),
        (["--kernel", "keep"], {"kernel": None}),
        (["--unit", "kv=restart"], {"units": [{"name": "kv.service", "handover": "restart"}]}),
    ],
)
def test_an_option_is_a_parameter(given: list[str], asked: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser()
    add_update(parser)
    compute = SimpleNamespace(find_server=lambda name, ignore_missing: SimpleNamespace(id=f"id of {name}"))
    told = update(SimpleNamespace(compute=compute), parser.parse_args(["--server", "web-1", *given]))
    assert told == {"method": "surrogate", "server_id": "id of web-1", **asked}
