"""liveupdate-manage: what an administrator does to the database, with its keys, and about what no ledger knows of.

liveupdate-manage [--config-file FILE] db upgrade
liveupdate-manage [--config-file FILE] db check
liveupdate-manage [--config-file FILE] db purge --older-than DAYS
liveupdate-manage [--config-file FILE] webhook key PROJECT
liveupdate-manage [--config-file FILE] orphans list
liveupdate-manage [--config-file FILE] orphans adopt|remove [--apply]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from liveupdate import settings
from liveupdate.db import schema
from liveupdate.db.purge import purge
from liveupdate.db.session import open_engine, read, write
from liveupdate.errors import LiveUpdateError
from liveupdate.messaging import webhooks


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        config = settings.load(config_files=arguments.config_file or None)
        if arguments.subject == "webhook":
            print(webhooks.project_key(config.webhooks, arguments.project))
            return 0
        engine = open_engine(config.database)
        if arguments.action == "upgrade":
            schema.upgrade(engine)
        with read(engine) as connection:
            current = schema.current(connection)
        if arguments.action == "purge":
            deleted = write(engine, lambda connection: purge(connection, arguments.older_than, sys.maxsize))
            print(f"{deleted} jobs purged")
            return 0
        if arguments.subject == "orphans" and current == schema.wanted():
            # OpenStack's libraries take half a second that nothing else here waits for
            from liveupdate.cmd import orphans

            return orphans.run(config, engine, arguments.action, apply=arguments.apply)
    except SQLAlchemyError as error:
        # the driver's own words may hold the URL with its password
        print(f"the database does not answer: {type(error).__name__}", file=sys.stderr)
        return 1
    except LiveUpdateError as error:
        print(f"{error.code}: {error.detail}\n{error.remedy}", file=sys.stderr)
        return 1
    print(f"schema {current or 'empty'}, wanted {schema.wanted()}")
    return 0 if current == schema.wanted() else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="liveupdate-manage", description="Administer liveupdate.")
    parser.add_argument("--config-file", type=Path, action="append", help="instead of liveupdate.conf's usual places")
    subjects = parser.add_subparsers(dest="subject", required=True)
    database = subjects.add_parser("db", help="the database").add_subparsers(dest="action", required=True)
    database.add_parser("upgrade", help="bring the schema to this release's version")
    database.add_parser("check", help="exit 0 if the schema is this release's, 1 if not")
    older = database.add_parser("purge", help="forget jobs that ended long ago")
    older.add_argument("--older-than", type=float, required=True, metavar="DAYS")
    stray = subjects.add_parser("orphans", help="what is in the cloud and in no ledger")
    strays = stray.add_subparsers(dest="action", required=True)
    strays.add_parser("list", help="say what there is, and what may become of it").set_defaults(apply=False)
    for name, what in (("adopt", "give what stuck jobs have lost to their ledgers"), ("remove", "take away the rest")):
        strays.add_parser(name, help=what).add_argument("--apply", action="store_true", help="do it, not only say it")
    webhook = subjects.add_parser("webhook", help="webhooks").add_subparsers(dest="action", required=True)
    key = webhook.add_parser("key", help="print the key that a project's webhooks are signed with")
    key.add_argument("project", metavar="PROJECT", help="the project's id")
    return parser


if __name__ == "__main__":
    sys.exit(main())
