"""What the docs tell to type into OpenStackClient where no fast test can: it knows the commands and their arguments."""

import re
import shlex
import warnings
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from unittest.mock import MagicMock

import pytest

from tests.docs.blocks import Block, blocks

pytestmark = pytest.mark.filterwarnings("ignore::Warning")

_APIS = ("common", "compute.v2", "identity.v3", "image.v2", "live_update.v1", "network.v2", "volume.v3")
#: Up to a pipe, a redirection, or the end of a substitution.
_CALL = re.compile(r"openstack (?:--os-cloud \S+ )?((?:[^|;&<>)\"]|\"[^\"]*\")+)")


@cache
def commands() -> dict[str, EntryPoint]:
    points = (point for api in _APIS for point in entry_points(group=f"openstack.{api}"))
    return {point.name.replace("_", " "): point for point in points}


@pytest.mark.parametrize("block", blocks("lab", "long", "by-hand"), ids=lambda block: block.where)
def test_openstackclient_understands_it(block: Block) -> None:
    for command in block.commands():
        for called in _CALL.findall(command.text):
            words = shlex.split(re.sub(r" \d$", "", called), comments=True)
            names = [" ".join(words[:count]) for count in range(len(words), 0, -1)]
            known = next((name for name in names if name in commands()), None)
            assert known, f"{block.where}: openstack {called}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parser = commands()[known].load()(MagicMock(), None).get_parser(known)
            parser.parse_args(words[len(known.split()) :])
