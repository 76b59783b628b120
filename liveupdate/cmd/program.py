"""What every long-running program does first: arguments, settings, logging."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from liveupdate import logs, settings


def begin(name: str, description: str, argv: Sequence[str] | None) -> settings.Settings:
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--config-file", type=Path, action="append", help="instead of liveupdate.conf's usual places")
    parser.add_argument("--debug", action="store_true", help="tell more in the log")
    arguments = parser.parse_args(argv)
    config = settings.load(config_files=arguments.config_file)
    logs.begin(config.log_format, logging.DEBUG if arguments.debug else logging.INFO)
    return config
