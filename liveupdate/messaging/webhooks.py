"""Webhooks: notifications as signed POSTs, in the form of www.standardwebhooks.com, for which every language has code.

A project's webhooks are signed with a key that is made of the deployment's and the project's id: it is nowhere stored,
passes through no request, and stands in no answer. An administrator reads it out to the project:
``liveupdate-manage webhook key PROJECT``.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from liveupdate import __version__, settings
from liveupdate.errors import Invalid, StoreError
from liveupdate.messaging import addresses, posting
from liveupdate.messaging.channels import Undelivered
from liveupdate.messaging.notifications import Notification
from liveupdate.model import Job

#: The parameter of a job that names its URLs.
PARAMETER = "webhooks"
#: URLs that one job may name, and characters of each.
MOST, LONGEST = 4, 1024
#: Seconds that a receiver has to take one notification.
_SECONDS = 10.0
_SHORTEST_KEY = 32
_PREFIX = "whsec_"


def accept(urls: Sequence[str], config: settings.Webhooks) -> list[str]:
    """The URLs that a request names for its job, as they go into its parameters. Raises Invalid.

    What a name resolves to is looked at when it is called: it may have changed by then.
    """
    if urls and not config.key_file:
        raise Invalid("this deployment has no webhooks", code="live-update.webhook.not-offered")
    if len(urls) > MOST:
        raise Invalid(f"a job may have {MOST} webhooks", code="live-update.webhook.too-many")
    for url in urls:
        if fault := _fault(url, config):
            raise Invalid(
                f"a webhook's URL {fault}",
                code="live-update.webhook.url",
                remedy="https://name/path, without user and password, at a public address",
            )
    return list(dict.fromkeys(urls))


def _fault(url: str, config: settings.Webhooks) -> str:
    """What is wrong with it; never the URL itself."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        return f"must have at most {LONGEST} printable ASCII characters, and no blank"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is malformed"
    if parts.scheme not in (("https", "http") if config.allowed_networks else ("https",)):
        return "must begin with https://"
    if not parts.hostname or port == 0 or parts.username is not None or parts.password is not None or parts.fragment:
        return "must have a host, and neither user, password nor fragment"
    try:
        literal = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return ""
    return "" if addresses.allowed(literal, config.allowed_networks) else "leads to an address that is not allowed"


def masked(url: str) -> str:
    """As it is shown: where it leads, without its path and query, which may be what keeps it secret."""
    parts = urlsplit(url)
    # never what stands before an @
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"


def project_key(config: settings.Webhooks, project_id: str) -> str:
    """What the project's receivers check signatures with. Raises StoreError if the deployment's key is no good."""
    key = hmac.digest(_deployment_key(config), f"liveupdate webhook 1 {project_id}".encode(), hashlib.sha256)
    return _PREFIX + base64.b64encode(key).decode()


def _deployment_key(config: settings.Webhooks) -> bytes:
    path = Path(config.key_file)
    try:
        key, mode = path.read_bytes().strip(), path.stat().st_mode
    except OSError as error:
        raise _no_key(f"cannot be read: {type(error).__name__}") from None
    if len(key) < _SHORTEST_KEY:
        raise _no_key(f"has less than {_SHORTEST_KEY} bytes")
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise _no_key("is open to everybody")
    return key


def _no_key(why: str) -> StoreError:
    return StoreError(f"[webhooks] key_file {why}", code="live-update.webhook.key", remedy="openssl rand -hex 32")


def sign(key: str, identifier: str, timestamp: int, body: bytes) -> str:
    """The signature header's value."""
    secret = base64.b64decode(key.removeprefix(_PREFIX))
    told = hmac.digest(secret, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(told).decode()


class Webhooks:
    """See channels.Channel. Raises StoreError at once for a key or a subscription that is no good."""

    def __init__(self, config: settings.Webhooks) -> None:
        _deployment_key(config)
        for number, (_, url) in enumerate(config.subscriptions, 1):
            if fault := _fault(url, config):
                raise StoreError(f"[webhooks] subscription {number} {fault}", code="live-update.webhook.url")
        self._config = config

    def receivers(self, job: Job, note: Notification) -> Sequence[str]:
        return [_name(job, url) for url in self._urls(job)]

    def send(self, receiver: str, job: Job, note: Notification) -> None:
        url = next((url for url in self._urls(job) if _name(job, url) == receiver), None)
        if url is None:
            return
        body = json.dumps(note.as_json()).encode()
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"liveupdate/{__version__}",
            "webhook-id": note.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(project_key(self._config, job.project_id), note.id, timestamp, body),
        }
        try:
            posting.post(url, headers, body, _SECONDS, self._config.allowed_networks)
        except posting.Refused as error:
            raise Undelivered(f"{urlsplit(url).hostname}: {error}") from None

    def _urls(self, job: Job) -> list[str]:
        own = job.parameters.get(PARAMETER) or ()
        subscribed = [url for project, url in self._config.subscriptions if project in ("*", job.project_id)]
        return list(dict.fromkeys([*own, *subscribed]))


def _name(job: Job, url: str) -> str:
    """One queue for each URL of a project: who is away is asked once, not once for each job."""
    return "hook:" + hashlib.sha256(f"{job.project_id} {url}".encode()).hexdigest()[:48]
