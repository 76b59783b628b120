"""What the API's handlers work with: made once by the program, replaced one by one in tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Engine

from liveupdate.context import RequestContext
from liveupdate.drivers.cloud import Cloud as ServiceCloud
from liveupdate.drivers.cloud.golden_images import GoldenImage
from liveupdate.drivers.metrics import Source
from liveupdate.messaging import webhooks
from liveupdate.methods import Method
from liveupdate.settings import Limits, Webhooks


@dataclass(frozen=True)
class Caller:
    """A validated caller; ``plugin`` is the keystoneauth plugin of its token, for calls in its name."""

    context: RequestContext
    plugin: Any = None


class Authorize(Protocol):
    """Whether the caller may do what the rule is about. Raises Forbidden, naming the rule."""

    def __call__(self, rule: str, context: RequestContext, project_id: str, user_id: str = "") -> None:
        """``project_id`` and ``user_id``: of what it is to be done to; its owner."""


class Cloud(Protocol):
    """The little that the API itself asks of the cloud, always with the caller's own token."""

    def server_name(self, caller: Caller, server_id: str) -> str:
        """The name of the caller's server. Raises NotFound if its project has no such server."""

    def images(self, caller: Caller) -> list[GoldenImage]:
        """The golden images of the caller's project, newest first."""

    def image(self, caller: Caller, image_id: str) -> GoldenImage:
        """Raises NotFound if the caller's project has no such golden image."""

    def create_trust(self, caller: Caller, roles: tuple[str, ...], expires_at: datetime) -> str:
        """A trust for the service user; its id. Raises Forbidden if the token may not make one."""

    def delete_trust(self, trust_id: str) -> None: ...


@dataclass(frozen=True)
class Services:
    engine: Engine
    #: Request headers (lower case) → the caller. Raises Unauthorized.
    authenticate: Callable[[Mapping[str, str]], Caller]
    authorize: Authorize
    cloud: Cloud
    methods: Mapping[str, Method]
    trust_roles: tuple[str, ...]
    nudge: Callable[[], None]
    #: The request's own id and its caller's → the cloud as the service user: for hosts, which are nobody's own.
    infrastructure: Callable[[str, str], ServiceCloud]
    metrics: Source
    limits: Limits = field(default_factory=Limits)
    #: The URLs that a job's request names → as they go into its parameters (messaging/webhooks.py). Raises Invalid.
    accept_webhooks: Callable[[Sequence[str]], list[str]] = field(
        default_factory=lambda: partial(webhooks.accept, config=Webhooks())
    )
    #: What the service depends on → looks whether it answers: why not, "" if it does.
    checks: Mapping[str, Callable[[], str]] = field(default_factory=dict)
