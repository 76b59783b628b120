"""Bodies of POST /v1/jobs, /v1/previews and /v1/jobs/{id}/actions."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, StringConstraints, model_validator

from liveupdate.api.schemas.surrogate import Parameters, Strict
from liveupdate.planning import windows


def _window(told: str) -> str:
    windows.parse(told)
    return told


class NewPreview(Parameters):
    """``server_id``: Nova's id of the server; the other fields are the method's parameters."""

    method: Literal["surrogate"]
    server_id: UUID
    deadline: AwareDatetime | None = None

    def parameters(self) -> dict[str, object]:
        return self.model_dump(mode="json", include=set(Parameters.model_fields))


class NewJob(NewPreview):
    """``window``: a maintenance window, UTC, like 22:00-04:00 or sat,sun 22:00-04:00; see planning/windows.py.

    ``preview_id``: the preview that it is started from; its parameters are the job's.
    ``webhooks``: URLs that are told what happens to it; see messaging/webhooks.py.
    """

    not_before: AwareDatetime | None = None
    window: Annotated[str, AfterValidator(_window)] | None = None
    require_approval: bool = False
    preview_id: UUID | None = None
    webhooks: tuple[str, ...] = ()


class CreateJob(Strict):
    job: NewJob


class CreatePreview(Strict):
    preview: NewPreview


Action = Literal[
    "approve", "start", "pause", "resume", "cancel", "confirm", "rollback", "retry", "skip-step", "cleanup"
]


class JobAction(Strict):
    """``step``: which one to skip; None: the one that the job is stuck at."""

    action: Action
    step: Annotated[str, StringConstraints(pattern=r"^[a-z_.]{1,64}$")] | None = None

    @model_validator(mode="after")
    def _only_what_it_knows(self) -> Self:
        if self.step is not None and self.action != "skip-step":
            raise ValueError("step is for skip-step only")
        return self


#: A job that does not say otherwise is done or undone within a day.
DEFAULT_HOURS = 24
MAXIMUM_HOURS = 24 * 14
#: Its trust lives longer: what has to be undone at the deadline is undone with it.
GRACE_HOURS = 12
