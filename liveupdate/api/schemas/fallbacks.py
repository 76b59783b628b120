"""Bodies of /v1/fallbacks."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from liveupdate.api.schemas.surrogate import Strict


class FallbackAction(Strict):
    """restore: a job that brings the server back; preview: only its checks, as a preview.

    ``data_volumes``: the data volumes, too, go back to what the fallback holds of them. ``keep_fallback_days``: how
    long what was before the restore is kept, in its turn.
    """

    action: Literal["restore", "preview"]
    data_volumes: bool = False
    keep_fallback_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    deadline: AwareDatetime | None = None
