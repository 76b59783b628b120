"""The tables. migrations/ makes the same ones; a test holds the two together."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: Each turn of a job writes its rows anew: where there is room for that in their page, no index is written.
_ROOM = {"fillfactor": 50}
_Id = BigInteger().with_variant(Integer, "sqlite")

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("method", String(64), nullable=False),
    Column("server_id", String(36), nullable=False),
    Column("server_name", String(255), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("code", String(128), nullable=False),
    Column("remedy", Text, nullable=False),
    Column("step", String(64), nullable=False),
    Column("progress", Integer, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("global_request_id", String(64), nullable=False, server_default=""),
    Column("trust_id", String(64), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("cancel_requested", Boolean(create_constraint=False), nullable=False),
    Column("decision", String(16), nullable=False),
    #: What undoing ends in: "undone", "cancelled", or "hold" (only the way back is undone). "" while going forward.
    Column("outcome", String(16), nullable=False),
    Column("deadline", BigInteger),
    Column("not_before", BigInteger),
    Column("window", String(64), nullable=False, server_default=""),
    Column("approval", String(16), nullable=False, server_default=""),
    Column("approved_by", String(64), nullable=False, server_default=""),
    Column("paused", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("preview_id", String(36)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    #: The server's id while an update is open, NULL afterwards: no two updates hold one server.
    Column("open_server_id", String(36), unique=True),
    #: The job whose fallback this one restores or ends.
    Column("fallback_id", String(36)),
    Column("idempotency_key", String(255)),
    Column("request_hash", String(64)),
    Column("lease_owner", String(128), nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    #: Workers that died with this job in hand since it last made progress.
    Column("deaths", Integer, nullable=False),
    Column("wake_at", BigInteger, nullable=False),
    Column("watch_kind", String(16), nullable=False),
    Column("watch_id", String(64), nullable=False),
    Column("watch_seen", String(255), nullable=False),
    UniqueConstraint("project_id", "idempotency_key"),
    Index(None, "state", "wake_at"),
    # each list is read along one of these: by what it always has, then by what it is sorted by
    Index(None, "project_id", "kind", "created_at", "id"),
    Index(None, "project_id", "kind", "updated_at", "id"),
    Index(None, "project_id", "kind", "server_name", "id"),
    Index(None, "project_id", "kind", "state", "created_at", "id"),
    Index(None, "kind", "created_at", "id"),
    Index(None, "kind", "updated_at", "id"),
    Index(None, "kind", "server_name", "id"),
    Index(None, "kind", "state", "created_at", "id"),
    # the latest jobs of a method tell how long its steps take
    Index(None, "method", "state", "created_at", "id"),
    Index(None, "trust_id"),
    Index(None, "server_id"),
    Index(None, "fallback_id"),
    postgresql_with=_ROOM,
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("spec_id", String(64), nullable=False),
    Column("step", String(64), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    #: Calls that failed: apply's while going forward, undo's while undoing.
    Column("attempts", Integer, nullable=False),
    Column("result", JSON, nullable=False),
    Column("error", JSON, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    postgresql_with=_ROOM,
)

resources = Table(
    "resources",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("role", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("cloud_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("details", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    #: Of a kept line that is (part of) a fallback: when its time is over.
    Column("keep_until", BigInteger),
    Index(None, "job_id", "id"),
    Index(None, "state", "keep_until"),
    Index(None, "cloud_id"),
)

events = Table(
    "events",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("type", String(64), nullable=False),
    Column("step", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("at", BigInteger, nullable=False),
    #: 1 until it is known who is to be told of it (db/deliveries.py), NULL afterwards.
    Column("untold", SmallInteger),
    Index(None, "job_id", "id"),
    Index(None, "untold", "id"),
)

#: Who is still to be told of what: one line per receiver and event, gone once it is told.
deliveries = Table(
    "deliveries",
    metadata,
    Column("receiver", String(64), primary_key=True),
    Column("event_id", _Id, ForeignKey("events.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attempts", Integer, nullable=False),
    #: Nobody tries before; a worker that tells pushes it ahead of itself, like a lease.
    Column("due_at", BigInteger, nullable=False),
)

#: Its rows are what those queue up at who count a project's open jobs.
projects = Table("projects", metadata, Column("id", String(64), primary_key=True), Column("turn", BigInteger))

reservations = Table(
    "reservations",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("resources", JSON, nullable=False),
    Column("refused", JSON, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "expires_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

reserved_hosts = Table(
    "reserved_hosts",
    metadata,
    Column("host", String(255), primary_key=True),
    #: Counts the reservations that have ended; its row is also what takers of one host queue up at.
    Column("mark", BigInteger, nullable=False),
)
