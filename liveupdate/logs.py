"""Log lines: as text or as JSON, with the ids of the request and the job at hand, and without secrets."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from oslo_utils.strutils import mask_password

from liveupdate.plain import one_line, plain

_AT_HAND: ContextVar[Mapping[str, str]] = ContextVar("at_hand")

#: A URL's password, a token by its header or by its looks, a webhook's key.
_SECRETS: Final = (
    (re.compile(r"(://[^\s:/@]*:)[^\s/@]+@"), r"\1***@"),
    (re.compile(r"(?i)\b(x-[a-z]+-token['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+"), r"\1***"),
    (re.compile(r"\bgAAAA[\w-]{40,}=*"), "***"),
    (re.compile(r"\bwhsec_[\w+/]+=*"), "***"),
)
#: These tell headers and bodies at DEBUG, tokens among them, and every connection at INFO.
_CHATTY: Final = ("keystoneauth", "urllib3", "openstack", "paramiko", "keystonemiddleware", "stevedore", "amqp")


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Every line written inside bears these ids (request_id, job_id, …); in threads that are begun for it, too."""
    token = _AT_HAND.set({**_AT_HAND.get({}), **{name: value for name, value in ids.items() if value}})
    try:
        yield
    finally:
        _AT_HAND.reset(token)


def masked(text: str) -> str:
    text = str(mask_password(text))
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s [%(threadName)s] %(at_hand)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(_AT_HAND.get({}).values())
        record.at_hand = f"[{ids}] " if ids else ""
        return masked(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """What is told may hold strangers' words: they begin no line of their own."""
        return one_line(super().formatMessage(record))


class Json(logging.Formatter):
    """One object a line: timestamp, level, logger, message, process, thread, the ids at hand, error (a traceback)."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "timestamp": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": plain(masked(record.getMessage())),
            "process": record.process,
            "thread": record.threadName,
            **_AT_HAND.get({}),
        }
        if record.exc_info:
            line["error"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def begin(form: str, level: int) -> None:
    """Log to stderr: ``form`` is "text" or "json"."""
    handler = logging.StreamHandler()
    handler.setFormatter(Json() if form == "json" else Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
