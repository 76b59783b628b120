"""What the daemon tells of a move. See liveupdate/guest/daemon.py."""

from typing import Annotated

from pydantic import Field, Strict
from pydantic.dataclasses import dataclass

from liveupdate.drivers.guest.answers.forms import (
    Code,
    Count,
    Flag,
    Keyed,
    Many,
    Moment,
    Phase,
    Real,
    Text,
    Whole,
    Words,
)


@dataclass(frozen=True)
class Entered:
    name: Text
    monotonic: Moment
    realtime: Moment


@dataclass(frozen=True)
class TimelineEntry:
    name: Text
    ms: Whole


@dataclass(frozen=True)
class Trouble:
    code: Code = "guest.failed"
    detail: Words = ""
    remedy: Words = ""


@dataclass(frozen=True)
class Resumed:
    """``units``: how each came back; ``changed``: what has been written elsewhere since."""

    units: Keyed[Text] = Field(default_factory=dict)
    changed: Words = ""


@dataclass(frozen=True)
class PathEvent:
    event: Text
    target: Text
    portal: Text
    at: Moment


@dataclass(frozen=True)
class Status:
    phase: Phase
    role: Annotated[str, Strict(), Field(pattern=r"^(source|target)$")] | None = None
    phases: Many[Entered] = ()
    now: Moment = 0.0
    boot_id: Annotated[str, Strict(), Field(pattern=r"^[0-9a-f-]{0,36}$")] = ""
    linked: Flag = False
    blackout_ms: Count | None = None
    timeline: Many[TimelineEntry] = ()
    bytes: Count = 0
    returned: Trouble | None = None
    resumed: Resumed | None = None
    failure: Trouble | None = None
    path_events: Many[PathEvent] = ()


@dataclass(frozen=True)
class Key:
    public_key: Annotated[str, Strict(), Field(pattern=r"^ssh-ed25519 [A-Za-z0-9+/=]{40,200}$")]


@dataclass(frozen=True)
class Listening:
    port: Annotated[int, Strict(), Field(ge=1, le=65535)]


@dataclass(frozen=True)
class Linked:
    clock_offset: Real


@dataclass(frozen=True)
class CopyRound:
    round: Count
    bytes: Count
    seconds: Moment
    estimate_ms: Count


@dataclass(frozen=True)
class HealthCheck:
    ok: Flag
    kind: Text = ""
    what: Text = ""
    detail: Words = ""


@dataclass(frozen=True)
class UnitHealth:
    ok: Flag
    checks: Many[HealthCheck] = ()


@dataclass(frozen=True)
class Health:
    ok: Flag
    units: Keyed[UnitHealth]


@dataclass(frozen=True)
class Opened:
    opened: Flag = False


@dataclass(frozen=True)
class HandedBack:
    phase: Phase
