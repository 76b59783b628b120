"""Puts the parts together: what a worker and an API process need, made from the settings."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.api.auth import authenticator, authorizer
from liveupdate.api.cloud import CallersCloud
from liveupdate.api.services import Services
from liveupdate.drivers import metrics
from liveupdate.drivers.cloud import Clouds, trusts
from liveupdate.engine.context import Surroundings
from liveupdate.errors import LiveUpdateError
from liveupdate.messaging import reach, webhooks
from liveupdate.messaging.aside import Aside
from liveupdate.messaging.bus import Bus
from liveupdate.messaging.channels import Channel
from liveupdate.messaging.notifications import Notification
from liveupdate.messaging.webhooks import Webhooks
from liveupdate.settings import Settings
from liveupdate.worker import figures
from liveupdate.worker.guests import Guests
from liveupdate.worker.main import Worker
from liveupdate.worker.telling import Teller


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


def teller(settings: Settings, engine: Engine) -> Teller:
    channels: list[Channel] = []
    if settings.notifications.transport_url:
        channels.append(Bus(settings.notifications.transport_url, settings.notifications.topic))
    if settings.webhooks.key_file:
        channels.append(Webhooks(settings.webhooks))
    return Teller(engine, channels, settings.worker.poll_interval, figures.count)


@contextmanager
def serving_figures(settings: Settings, engine: Engine) -> Iterator[None]:
    """The worker's /metrics, if it is to have one."""
    if not settings.worker.metrics_port:
        yield
        return
    serving = figures.Figures(engine, settings.worker.metrics_host, settings.worker.metrics_port)
    try:
        yield
    finally:
        serving.stop()


def worker(settings: Settings, engine: Engine) -> Worker:
    clouds, guests = Clouds(settings.cloud.name), Guests(settings.guest)
    surroundings = Surroundings(settings, clouds.user, clouds.service, guests.of, metrics.make(settings.metrics))

    def look(kind: str) -> Mapping[str, str]:
        if kind != "server":
            raise LiveUpdateError(f"nothing watches a {kind}")
        return clouds.watcher().servers.states()

    def forget(job_id: str) -> None:
        guests.forget(job_id)
        clouds.forget(job_id)

    def delete_trust(trust_id: str) -> None:
        trusts.delete(clouds.service_connection().session, trust_id)

    return Worker(
        engine,
        settings.worker,
        surroundings,
        methods.steps(),
        look=look,
        delete_trust=delete_trust,
        forget=forget,
    )
