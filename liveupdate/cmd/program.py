"""What every long-running program does first: arguments, settings, logging."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from liveupdate import settings

_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s [%(threadName)s] %(message)s"


def begin(name: str, description: str, argv: Sequence[str] | None) -> settings.Settings:
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--config-file", type=Path, action="append", help="instead of liveupdate.conf's usual places")
    parser.add_argument("--debug", action="store_true", help="tell more in the log")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.DEBUG if arguments.debug else logging.INFO, format=_FORMAT)
    # these tell headers and bodies at DEBUG, tokens among them, and every connection at INFO
    for chatty in ("keystoneauth", "urllib3", "openstack", "paramiko", "keystonemiddleware", "stevedore", "amqp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return settings.load(config_files=arguments.config_file)
