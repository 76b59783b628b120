"""What an update by the method surrogate may be told."""

from enum import StrEnum
from os.path import normpath
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from liveupdate.model import Handover, SameHost


def _absolute(path: str) -> str:
    if not path.startswith("/") or path.startswith("//") or path != normpath(path) or path == "/":
        raise ValueError("must be an absolute path, without . or .. or a slash at its end")
    if not path.isprintable():
        raise ValueError("must have printable characters only")
    return path


Kernel = Annotated[str, StringConstraints(pattern=r"^(newest|linux-image-[a-z0-9.+~-]{1,100})$")]
Package = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]{1,100}$")]
UnitName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:_][A-Za-z0-9:_.@-]{0,199}\.service$")]
AbsolutePath = Annotated[str, Field(max_length=4096), AfterValidator(_absolute)]
VolumeTypeName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f/]{1,255}$")]
HostGroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ImageName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,255}$", strip_whitespace=True)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TcpHealth(Strict):
    kind: Literal["tcp"]
    port: Port


class HttpHealth(Strict):
    kind: Literal["http"]
    port: Port
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=1000)] = "/"
    status: Annotated[int, Field(ge=100, le=599)] = 200


class CommandHealth(Strict):
    kind: Literal["command"]
    argv: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(min_length=1, max_length=64)]


class Unit(Strict):
    name: UnitName
    handover: Handover | None = None
    health: Annotated[list[TcpHealth | HttpHealth | CommandHealth], Field(max_length=16)] = []


class Capture(Strict):
    """A golden image of the updated server: a job of the method capture follows."""

    name: ImageName
    volumes: Annotated[list[UUID], Field(max_length=30)] = []


class OnBudget(StrEnum):
    POSTPONE = "postpone"
    ABANDON = "abandon"


class Parameters(Strict):
    """See docs: user guide. ``kernel`` None keeps the one that runs (a fresh boot of it)."""

    kernel: Kernel | None = "newest"
    packages: Annotated[list[Package], Field(max_length=1000)] | Literal["all"] = []
    units: Annotated[list[Unit], Field(max_length=100)] | None = None
    paths: Annotated[list[AbsolutePath], Field(max_length=100)] = []
    blackout_budget_seconds: Annotated[float, Field(gt=0, le=3600)] | None = None
    on_budget: OnBudget = OnBudget.ABANDON
    confirm: bool = False
    soak_seconds: Annotated[int, Field(ge=0, le=86400)] = 0
    keep_fallback_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    fallback_data_volumes: bool = False
    fallback: Literal["snapshot", "backup"] = "snapshot"
    mirror_volume_type: VolumeTypeName | None = None
    #: That every volume must have from its host; None: what the host group wants.
    minimum_paths: Annotated[int, Field(ge=1, le=64)] | None = None
    capture: Capture | None = None
    #: None: the one of the server's host.
    host_group: HostGroupName | None = None
    same_host: SameHost = SameHost.LAST
