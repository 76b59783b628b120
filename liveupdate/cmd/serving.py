"""Puts the parts together: what an API process needs, made from the settings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.api.auth import authenticator, authorizer
from liveupdate.api.cloud import CallersCloud
from liveupdate.api.services import Services
from liveupdate.drivers import metrics
from liveupdate.drivers.cloud import Clouds
from liveupdate.messaging import reach, webhooks
from liveupdate.messaging.aside import Aside
from liveupdate.messaging.bus import Bus
from liveupdate.messaging.notifications import Notification
from liveupdate.settings import Settings


def services(settings: Settings, engine: Engine, nudge: Callable[[], None]) -> Services:
    clouds = Clouds(settings.cloud.name)
    brokers = (("broker", settings.transport_url), ("notifications", settings.notifications.transport_url))
    return Services(
        engine=engine,
        authenticate=authenticator(settings.cloud.name),
        authorize=authorizer(),
        cloud=CallersCloud(clouds),
        methods=methods.load(),
        trust_roles=settings.cloud.trust_roles,
        nudge=nudge,
        infrastructure=clouds.infrastructure,
        metrics=metrics.make(settings.metrics),
        limits=settings.api.limits,
        accept_webhooks=partial(webhooks.accept, config=settings.webhooks),
        checks={"keystone": clouds.identity_fault, **{name: partial(reach.fault, url) for name, url in brokers if url}},
    )


@contextmanager
def auditing(settings: Settings) -> Iterator[Callable[[Notification], None]]:
    """Where audit events go beside the log, as long as the API runs."""
    if not settings.notifications.transport_url:
        yield lambda event: None
        return
    aside = Aside(Bus(settings.notifications.transport_url, settings.notifications.topic))
    try:
        yield aside.tell
    finally:
        aside.stop()
