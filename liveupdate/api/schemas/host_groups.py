"""Bodies of /v1/host-groups and /v1/placements."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from liveupdate.api.schemas.surrogate import HostGroupName, Strict
from liveupdate.model import SameHost
from liveupdate.planning.groups import WITHOUT_METRICS, Rules
from liveupdate.planning.policies import POLICIES


def _one_of(known: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value

    return AfterValidator(check)


PolicyName = Annotated[str, _one_of(tuple(POLICIES))]
WithoutMetrics = Annotated[str, _one_of(WITHOUT_METRICS)]
Percent = Annotated[int, Field(ge=1, le=100)]
Paths = Annotated[int, Field(ge=1, le=64)]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,255}$")]


class NewHostGroup(Strict):
    """``without_metrics``: what to do where a host's utilization is not known: refuse, or choose by another policy."""

    name: HostGroupName
    policy: PolicyName = Rules.policy
    fill_ceiling: Percent = Rules.fill_ceiling
    minimum_paths: Paths = Rules.minimum_paths
    make_room: bool = Rules.make_room
    without_metrics: WithoutMetrics = Rules.without_metrics

    def rules(self) -> Rules:
        return Rules(**self.model_dump(exclude={"name"}))


class HostGroupChanges(Strict):
    policy: PolicyName | None = None
    fill_ceiling: Percent | None = None
    minimum_paths: Paths | None = None
    make_room: bool | None = None
    without_metrics: WithoutMetrics | None = None


class CreateHostGroup(Strict):
    host_group: NewHostGroup


class UpdateHostGroup(Strict):
    host_group: HostGroupChanges


class AddHost(Strict):
    host: HostName


class NewPlacement(Strict):
    """``group`` None: the one of the server's host."""

    server_id: UUID
    group: HostGroupName | None = None
    same_host: SameHost = SameHost.LAST


class ExplainPlacement(Strict):
    placement: NewPlacement
