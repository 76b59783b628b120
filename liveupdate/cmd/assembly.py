"""Puts the parts together: what a worker needs, made from the settings; without the API, which imports much more."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.drivers import metrics
from liveupdate.drivers.cloud import Clouds, trusts
from liveupdate.engine.context import Surroundings
from liveupdate.errors import LiveUpdateError
from liveupdate.messaging.bus import Bus
from liveupdate.messaging.channels import Channel
from liveupdate.messaging.webhooks import Webhooks
from liveupdate.settings import Settings
from liveupdate.worker import figures
from liveupdate.worker.guests import Guests
from liveupdate.worker.main import Worker
from liveupdate.worker.telling import Teller


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
