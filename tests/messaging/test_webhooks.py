"""Webhooks: what may be asked for, how they are signed, that no secret shows."""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from liveupdate import settings
from liveupdate.errors import Invalid, StoreError
from liveupdate.messaging import notifications, webhooks
from liveupdate.messaging.channels import Undelivered
from liveupdate.messaging.webhooks import Webhooks
from liveupdate.testing.samples import happening
from tests.waiting import PATIENCE

HAPPENED = happening("job.succeeded")
JOB = HAPPENED.job
NOTE = notifications.of(HAPPENED)
assert NOTE is not None


@pytest.fixture
def config(tmp_path: Path) -> settings.Webhooks:
    key = tmp_path / "webhooks.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    return settings.Webhooks(str(key), allowed_networks=(ip_network("127.0.0.0/8"),))


def public(config: settings.Webhooks) -> settings.Webhooks:
    return replace(config, allowed_networks=())


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/in",
        "ftp://hooks.example/in",
        "file:///etc/passwd",
        "https:///in",
        "hooks.example/in",
        "https://user:hunter2@hooks.example/",
        "https://user@hooks.example/",
        "https://hooks.example/#here",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://[::1/",
        "https://hooks.example/\r\nX-Evil: 1",
        "https://hooks.example/a b",
        "https://höoks.example/",
        "https://127.0.0.1/",
        "https://[::ffff:169.254.169.254]/",
        "https://hooks.example/" + "x" * 1024,
    ],
)
def test_a_url_that_is_refused_is_not_repeated(config: settings.Webhooks, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.accept([url], public(config))
    assert refused.value.code == "live-update.webhook.url"
    assert url not in refused.value.detail


def test_a_url_that_is_taken(config: settings.Webhooks) -> None:
    url = "https://hooks.example:8443/in?team=a"
    assert webhooks.accept([url, url], public(config)) == [url]
    assert webhooks.accept(["http://127.0.0.1:8080/in"], config) == ["http://127.0.0.1:8080/in"]
    assert webhooks.accept([], settings.Webhooks()) == []


def test_a_job_may_not_name_many(config: settings.Webhooks) -> None:
    with pytest.raises(Invalid, match="may have 4"):
        webhooks.accept([f"https://hooks.example/{n}" for n in range(5)], config)


def test_without_a_key_there_are_none() -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.accept(["https://hooks.example/"], settings.Webhooks())
    assert refused.value.code == "live-update.webhook.not-offered"


@pytest.mark.parametrize(("text", "mode"), [("short", 0o600), ("k" * 64, 0o644), (None, 0)])
def test_a_key_that_is_no_good_is_refused_at_start(tmp_path: Path, text: str | None, mode: int) -> None:
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(StoreError) as refused:
        Webhooks(settings.Webhooks(str(path)))
    assert "kkk" not in str(refused.value)


def test_a_subscription_that_is_no_good_is_refused_at_start_and_not_repeated(config: settings.Webhooks) -> None:
    lines = (("*", "https://good.example/"), ("p", "https://u:hunter2@bad.example/"))
    with pytest.raises(StoreError, match="subscription 2 must") as refused:
        Webhooks(replace(config, subscriptions=lines))
    assert "hunter2" not in str(refused.value)


def test_each_project_has_its_own_key_and_it_stays(config: settings.Webhooks) -> None:
    keys = [webhooks.project_key(config, project) for project in ("a", "b", "a")]
    assert keys[0] == keys[2] != keys[1]
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", keys[0])


def test_a_signature_as_the_specification_has_it() -> None:
    """The example of www.standardwebhooks.com's libraries."""
    key, identifier, timestamp = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    signed = webhooks.sign(key, identifier, timestamp, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


class Receiver(HTTPServer):
    status = 204

    def __init__(self) -> None:
        self.heard: Queue[tuple[dict[str, str], bytes]] = Queue()

        class Handler(BaseHTTPRequestHandler):
            server: "Receiver"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.server.heard.put((dict(self.headers), body))
                self.send_response(self.server.status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/secret-path"


@pytest.fixture
def receiver() -> "Receiver":
    made = Receiver()
    Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    return made


def test_a_receiver_can_check_what_it_is_sent(config: settings.Webhooks, receiver: Receiver) -> None:
    assert NOTE is not None
    channel, job = Webhooks(config), replace(JOB, parameters={"webhooks": [receiver.url]})
    [name] = channel.receivers(job, NOTE)
    assert len(name) <= 64
    channel.send(name, job, NOTE)
    headers, body = receiver.heard.get(timeout=PATIENCE)
    assert json.loads(body) == NOTE.as_json()
    told = {key.lower(): value for key, value in headers.items()}
    assert told["webhook-id"] == NOTE.id
    secret = base64.b64decode(webhooks.project_key(config, job.project_id).removeprefix("whsec_"))
    signed = f"{told['webhook-id']}.{told['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    assert told["webhook-signature"] == f"v1,{expected}"
    receiver.shutdown()
    receiver.server_close()


def test_who_does_not_take_it_is_named_by_host_only(config: settings.Webhooks, receiver: Receiver) -> None:
    assert NOTE is not None
    receiver.status = 503
    channel, job = Webhooks(config), replace(JOB, parameters={"webhooks": [receiver.url]})
    [name] = channel.receivers(job, NOTE)
    with pytest.raises(Undelivered) as refused:
        channel.send(name, job, NOTE)
    assert str(refused.value) == "127.0.0.1: answered 503"
    receiver.shutdown()
    receiver.server_close()


def test_who_hears_of_a_job(config: settings.Webhooks) -> None:
    assert NOTE is not None
    lines = (("*", "https://all.example/"), (JOB.project_id, "https://ours.example/"), ("other", "https://no.example/"))
    channel = Webhooks(replace(config, subscriptions=lines))
    assert len(channel.receivers(JOB, NOTE)) == 2
    both = replace(JOB, parameters={"webhooks": ["https://job.example/", "https://ours.example/"]})
    assert len(channel.receivers(both, NOTE)) == 3
    # a URL that is not subscribed to any more
    Webhooks(config).send(channel.receivers(JOB, NOTE)[0], JOB, NOTE)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example/in/hunter2?token=hunter2", "https://hooks.example/***"),
        ("https://hooks.example:8443", "https://hooks.example:8443/***"),
        ("https://user:hunter2@hooks.example/", "https://hooks.example/***"),
        ("http://[2001:db8::1]:80/x", "http://[2001:db8::1]:80/***"),
    ],
)
def test_what_is_shown_of_a_url_is_where_it_leads(url: str, shown: str) -> None:
    assert webhooks.masked(url) == shown
