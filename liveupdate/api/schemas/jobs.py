"""Bodies of POST /v1/jobs, /v1/previews and /v1/jobs/{id}/actions."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from liveupdate.api.schemas.surrogate import Parameters, Strict


class NewPreview(Parameters):
    """``server_id``: Nova's id of the server; the other fields are the method's parameters."""

    method: Literal["surrogate"]
    server_id: UUID
    deadline: AwareDatetime | None = None

    def parameters(self) -> dict[str, object]:
        return self.model_dump(mode="json", include=set(Parameters.model_fields))


class NewJob(NewPreview):
    pass


class CreateJob(Strict):
    job: NewJob


class CreatePreview(Strict):
    preview: NewPreview


class JobAction(Strict):
    action: Literal["cancel", "confirm", "rollback", "retry"]


#: A job that does not say otherwise ends, done or undone, within a day.
DEFAULT_HOURS = 24
MAXIMUM_HOURS = 24 * 14
