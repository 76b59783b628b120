"""Every error of ours, drawn.

    LiveUpdateError                     has code, detail, remedy: shown to users as they are
    ├── Refused                         the request cannot be taken (API: 4xx)
    │   ├── Invalid            400
    │   ├── Forbidden          403
    │   ├── NotFound           404
    │   └── Conflict           409
    ├── StepOutcome                     how a step ends other than by returning (engine rule 5)
    │   ├── Retry                       transient, or still waiting: park the job
    │   ├── Failed                      undo from here
    │   │   └── Lost                    undo everything, though the pivot was passed
    │   └── Unknown                     cannot tell whether it happened: probe decides
    ├── CloudError                      a cloud call failed for good (drivers/cloud)
    ├── GuestError                      a guest could not be reached, or a command in it failed (drivers/guest)
    └── StoreError                      the database answered with something we cannot go on with
    Interrupted(BaseException)          control flow that no ``except Exception`` may swallow
    ├── LeaseLost                       another worker owns the job now: stop at once, write nothing
    └── Cancelled                       somebody asked for cancel and the pivot is not passed

A code is dotted, lower case, and never changes once shipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from liveupdate.plain import plain


class LiveUpdateError(Exception):
    """Base: ``code`` is stable, ``detail`` says what happened, ``remedy`` what to do about it.

    Words of guests and services are among them: they are shown as plain text, however they came.
    """

    default_code = "live-update.internal"

    def __init__(self, detail: str, *, code: str | None = None, remedy: str = "") -> None:
        self.detail = plain(detail)
        super().__init__(self.detail)
        self.code = code or self.default_code
        self.remedy = plain(remedy)


class Refused(LiveUpdateError):
    status = 400


class Invalid(Refused):
    status = 400
    default_code = "live-update.request.invalid"


class Forbidden(Refused):
    status = 403
    default_code = "live-update.request.forbidden"


class NotFound(Refused):
    status = 404
    default_code = "live-update.request.not-found"


class Conflict(Refused):
    status = 409
    default_code = "live-update.request.conflict"


@dataclass(frozen=True)
class Watch:
    """A cloud object whose change of state wakes a parked job; many watches share one list call.

    ``kind`` is "server" or "volume"; ``seen`` the state the step saw (Nova: "STATUS/task_state").
    """

    kind: str
    id: str
    seen: str


class StepOutcome(LiveUpdateError):
    pass


class Retry(StepOutcome):
    """Not now: park the job for ``after`` seconds, or until ``watch`` changes if that is sooner.

    ``counts`` is False for plain waiting, which does not use up the step's attempts.
    """

    default_code = "live-update.step.retry"

    def __init__(
        self,
        after: float,
        reason: str,
        *,
        watch: Watch | None = None,
        counts: bool = True,
        code: str | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(reason, code=code, remedy=remedy)
        self.after = after
        self.watch = watch
        self.counts = counts


class Failed(StepOutcome):
    """The step cannot be done: undo from here. ``user_fault``: the request or the server is to blame, not the cloud."""

    default_code = "live-update.step.failed"

    def __init__(self, detail: str, *, user_fault: bool = False, code: str | None = None, remedy: str = "") -> None:
        super().__init__(detail, code=code, remedy=remedy)
        self.user_fault = user_fault


class Lost(Failed):
    """What the pivot had led to is no more: the server on which the workload ran. Everything is undone."""

    default_code = "live-update.surrogate.gone"


class Unknown(StepOutcome):
    """It may have happened: probe decides; if probe cannot, the job needs attention."""

    default_code = "live-update.step.unknown"


class CloudError(LiveUpdateError):
    """``status`` is the HTTP status, 0 when there was none; ``request_id`` the cloud's."""

    default_code = "live-update.cloud.failed"

    def __init__(
        self, detail: str, *, status: int = 0, request_id: str = "", code: str | None = None, remedy: str = ""
    ) -> None:
        super().__init__(detail, code=code, remedy=remedy)
        self.status = status
        self.request_id = request_id


class GuestError(LiveUpdateError):
    """``facts`` carries bounded, decoded output for the report; never a secret."""

    default_code = "live-update.guest.failed"

    def __init__(
        self, detail: str, *, code: str | None = None, remedy: str = "", facts: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail, code=code, remedy=remedy)
        self.facts = dict(facts or {})


class StoreError(LiveUpdateError):
    default_code = "live-update.store.failed"


class Interrupted(BaseException):
    pass


class LeaseLost(Interrupted):
    pass


class Cancelled(Interrupted):
    pass
