"""The API's versions: a literal list whose comments are the history."""

import re
from collections.abc import Mapping

import microversion_parse

from liveupdate.errors import Invalid, Refused

SERVICE_TYPE = "live-update"
HEADER = "OpenStack-API-Version"

VERSIONS = (
    "1.0",  # jobs (create, list, show, steps, events, resources, report, actions), previews, methods;
    #         fallbacks, host groups, placements, images
)
MINIMUM, MAXIMUM = VERSIONS[0], VERSIONS[-1]
_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")


class NotAcceptable(Refused):
    status = 406
    default_code = "live-update.microversion.not-supported"


def negotiate(headers: Mapping[str, str]) -> str:
    """The version to answer with. Raises Invalid for a malformed header, NotAcceptable for one out of range."""
    try:
        asked = microversion_parse.get_version(dict(headers), service_type=SERVICE_TYPE)
    except (ValueError, TypeError) as error:
        raise _malformed(str(error)) from None
    if asked is None:
        if any(part.strip().lower() == SERVICE_TYPE for part in headers.get(HEADER, "").split(",")):
            raise _malformed("no version after the service's type")
        return MINIMUM
    if asked == "latest":
        return MAXIMUM
    if not _VERSION.fullmatch(asked):
        raise _malformed(f"{asked[:40]!r} is no version")
    if asked not in VERSIONS:
        raise NotAcceptable(
            f"version {asked} is not supported: {MINIMUM} to {MAXIMUM} are", remedy=f"ask for {MAXIMUM} or latest"
        )
    return asked


def _malformed(why: str) -> Invalid:
    return Invalid(
        f"malformed {HEADER}: {why}", code="live-update.microversion.malformed", remedy=f"{SERVICE_TYPE} {MAXIMUM}"
    )
