"""Bodies of /v1/images."""

import base64
import binascii
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from liveupdate.api.schemas.surrogate import Capture, Strict

#: Nova's limit, in characters of base64.
_USER_DATA = 65535


def _encoded(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64") from None
    return text


ServerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,57}$")]
FlavorId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._ -]{1,255}$")]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f/]{1,255}$")]


class NewImage(Capture):
    """``volumes``: ids of the data volumes that the image holds besides what the server boots from."""

    server_id: UUID
    deadline: AwareDatetime | None = None


class CreateImage(Strict):
    """``image``: a job that captures the server; ``preview``: only its checks, as a preview."""

    image: NewImage | None = None
    preview: NewImage | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "CreateImage":
        if (self.image is None) == (self.preview is None):
            raise ValueError("either image or preview")
        return self


class ImageAction(Strict):
    """deploy: a job that makes the servers <name>-1 to <name>-<count>. ``user_data`` is base64, as Nova takes it."""

    action: Literal["deploy"]
    name: ServerName
    count: Annotated[int, Field(ge=1, le=50)] = 1
    flavor_id: FlavorId
    network_id: UUID
    key_name: Words | None = None
    availability_zone: Words | None = None
    user_data: Annotated[str, Field(max_length=_USER_DATA), AfterValidator(_encoded)] | None = None
    deadline: AwareDatetime | None = None

    def parameters(self, image_id: str, image_name: str) -> dict[str, object]:
        told = self.model_dump(mode="json", exclude={"action", "name", "count", "deadline"}, exclude_none=True)
        names = [f"{self.name}-{number}" for number in range(1, self.count + 1)]
        return {**told, "names": names, "image_id": image_id, "image_name": image_name}
