"""What a migration makes of the rows that are there."""

from pathlib import Path

from alembic import command
from sqlalchemy import text

from liveupdate.db import clock, schema
from liveupdate.db.session import open_engine, read

_JOB = {
    **dict.fromkeys(("kind", "project_id", "user_id", "method", "server_id", "server_name", "state"), "x"),
    **dict.fromkeys(("reason", "code", "remedy", "step", "request_id", "trust_id", "decision", "outcome"), ""),
    **dict.fromkeys(("lease_owner", "watch_kind", "watch_id", "watch_seen"), ""),
    **dict.fromkeys(("progress", "lease_until", "fence", "deaths", "wake_at", "created_at", "updated_at"), 0),
    **{"plan": "{}", "roles": "[]", "cancel_requested": False},
}
_LINE = {"name": "n", "cloud_id": "c", "details": "{}", "created_at": 0}


def test_fallbacks_that_are_kept_already_end_after_the_days_they_were_promised(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/old.sqlite")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for job_id, parameters in (("asked", '{"keep_fallback_days": 30}'), ("default", "{}")):
            row = {**_JOB, "id": job_id, "parameters": parameters, "finished_at": 1000 * clock.SECOND}
            names = ", ".join(row)
            connection.execute(text(f"INSERT INTO jobs ({names}) VALUES (:{names.replace(', ', ', :')})"), row)  # noqa: S608
            for kind, role, state in (
                ("snapshot", "fallback", "kept"),
                ("snapshot", "mirror", "deleted"),
                ("volume", "fallback", "kept"),
                ("server", "surrogate", "kept"),
            ):
                line = {**_LINE, "job_id": job_id, "kind": kind, "role": role, "state": state}
                names = ", ".join(line)
                insert = text(f"INSERT INTO resources ({names}) VALUES (:{names.replace(', ', ', :')})")  # noqa: S608
                connection.execute(insert, line)
    schema.upgrade(engine)
    with read(engine) as connection:
        rows = connection.execute(text("SELECT job_id, kind, keep_until FROM resources WHERE keep_until > 0"))
        ends = {(row.job_id, row.kind): row.keep_until // clock.SECOND for row in rows}
    # an old volume bears no mark yet: it is left to its owner
    assert ends == {("asked", "snapshot"): 1000 + 30 * 86400, ("default", "snapshot"): 1000 + 7 * 86400}
    engine.dispose()
