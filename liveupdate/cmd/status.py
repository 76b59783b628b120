"""liveupdate-status upgrade check: whether this release may take over from the one before it.

Run it with the new release's code before its services start: 0 all is well, 1 look at the warnings, 2 do not start it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
from oslo_upgradecheck.upgradecheck import Code, Result
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from liveupdate import methods, settings
from liveupdate.api.auth import sample_enforcer
from liveupdate.db import schema
from liveupdate.db.session import open_engine, read
from liveupdate.db.tables import jobs
from liveupdate.db.tables import steps as steps_table
from liveupdate.errors import LiveUpdateError
from liveupdate.messaging import webhooks
from liveupdate.states import OPEN


class Checks(upgradecheck.UpgradeCommands):
    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def _settings(self) -> settings.Settings:
        return settings.load(config_files=[Path(file) for file in self._conf.config_file])

    def schema(self) -> Result:
        """The database is as this release wants it."""
        try:
            with read(open_engine(self._settings().database)) as connection:
                current = schema.current(connection)
        except SQLAlchemyError as error:
            return Result(Code.FAILURE, f"the database does not answer: {type(error).__name__}")
        if current == schema.wanted():
            return Result(Code.SUCCESS)
        return Result(
            Code.FAILURE, f"schema {current or 'empty'}, wanted {schema.wanted()}: run liveupdate-manage db upgrade"
        )

    def open_jobs(self) -> Result:
        """Every step that an open job's frozen plan names is in this release."""
        try:
            with read(open_engine(self._settings().database)) as connection:
                lacking = sorted(_steps_of_open_jobs(connection) - set(methods.steps()))
        except SQLAlchemyError as error:
            return Result(Code.WARNING, f"cannot look at the open jobs: {type(error).__name__}")
        if not lacking:
            return Result(Code.SUCCESS)
        return Result(
            Code.FAILURE,
            f"open jobs have steps that this release lacks ({', '.join(lacking)}): let them end first, or keep a "
            "worker of the older release until they have",
        )

    def policy(self) -> Result:
        """The operator's policy file names rules that there are."""
        enforcer = sample_enforcer(self._conf)
        enforcer.load_rules()
        unknown = sorted(set(enforcer.file_rules) - set(enforcer.registered_rules))
        if not unknown:
            return Result(Code.SUCCESS)
        return Result(Code.WARNING, f"the policy file has rules that nothing asks for: {', '.join(unknown)}")

    def webhooks(self) -> Result:
        """The key that webhooks are signed with is there, if there are to be any."""
        config = self._settings().webhooks
        try:
            if config.key_file:
                webhooks.project_key(config, "")
        except LiveUpdateError as error:
            return Result(Code.FAILURE, f"{error.detail}: workers would not start")
        return Result(Code.SUCCESS)

    _upgrade_checks = (
        ("Database schema", schema),
        ("Steps of open jobs", open_jobs),
        ("Policy file", policy),
        ("Webhook key", webhooks),
    )


def _steps_of_open_jobs(connection: Connection) -> set[str]:
    """Those of their journals, and those of the ways back that they may still take."""
    are_open = jobs.c.state.in_(OPEN)
    journal = select(steps_table.c.step).join(jobs, jobs.c.id == steps_table.c.job_id).where(are_open).distinct()
    back = (spec["step"] for plan in connection.scalars(select(jobs.c.plan).where(are_open)) for spec in plan["back"])
    return {*connection.scalars(journal), *back}


def main(argv: Sequence[str] | None = None) -> int:
    conf = cfg.ConfigOpts()
    return int(upgradecheck.main(conf, "liveupdate", Checks(conf), argv=list(sys.argv[1:] if argv is None else argv)))


if __name__ == "__main__":
    sys.exit(main())
