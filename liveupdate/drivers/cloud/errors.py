"""What the cloud's errors mean to a step: the one place where they are mapped."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from liveupdate.errors import Failed, LiveUpdateError, Retry, Unknown

#: Seconds until a call that the cloud could not take is made again.
_AFTER = 3.0
_DETAIL_LIMIT = 500

#: Of Retry: another operation is under way, or what is asked for stands against what is there.
CONFLICT = "live-update.cloud.conflict"
#: Of Failed: what is asked for does not suit what is there, or is about something that is not.
REFUSED, NOT_FOUND = "live-update.cloud.refused", "live-update.cloud.not-found"

_REFUSED: dict[int, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: (REFUSED, "the request does not suit this cloud: see the detail"),
    HTTPStatus.UNAUTHORIZED: (
        "live-update.cloud.unauthorized",
        "the trust has ended or the service user's credentials are wrong",
    ),
    HTTPStatus.FORBIDDEN: (
        "live-update.cloud.forbidden",
        "give the requester's role, or the service user's, the right to do this",
    ),
    HTTPStatus.NOT_FOUND: (NOT_FOUND, "somebody removed it while the job ran"),
}


@contextmanager
def calling(what: str, *, creates: bool = False) -> Iterator[None]:
    """Run one cloud call, named ``what`` for people ("create the port").

    Raises Retry for what passes (no answer, 429, 5xx, a conflict with another operation); Unknown instead, where the
    call ``creates`` and may have done so; Failed, with a code and a remedy, for what will not pass.
    """
    try:
        yield
    except sdk_errors.HttpException as error:
        raise _by_status(what, error.status_code or 0, str(error), error.request_id or "", creates) from error
    except auth_errors.HttpError as error:
        raise _by_status(what, error.http_status or 0, str(error), error.request_id or "", creates) from error
    except (auth_errors.ConnectionError, sdk_errors.ResourceTimeout) as error:
        raise _no_answer(what, type(error).__name__, creates) from error
    except (auth_errors.ClientException, sdk_errors.SDKException) as error:
        detail = f"cannot {what}: {_short(str(error))}"
        raise Failed(detail, code="live-update.cloud.failed", remedy="see the detail") from error


def _by_status(what: str, status: int, detail: str, request_id: str, creates: bool) -> LiveUpdateError:
    told = f"cannot {what}: {_short(detail)}" + (f" ({request_id})" if request_id else "")
    if "quota" in detail.lower() or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Failed(
            told, code="live-update.cloud.quota", remedy="raise the project's quota, or free some", user_fault=True
        )
    if status in _REFUSED:
        code, remedy = _REFUSED[HTTPStatus(status)]
        return Failed(told, code=code, remedy=remedy)
    if status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS):
        # Nova and Cinder answer 409 while another operation is under way; the step's attempts bound the patience
        return Retry(_AFTER, told, code=CONFLICT)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == 0:
        return _no_answer(what, _short(detail), creates)
    return Failed(told, code=REFUSED, remedy="see the detail")


def _no_answer(what: str, why: str, creates: bool) -> LiveUpdateError:
    if creates:
        return Unknown(f"no clear answer to: {what} ({why})", code="live-update.cloud.unknown")
    return Retry(_AFTER, f"cannot {what} now: {why}", code="live-update.cloud.unavailable")


def _short(text: str) -> str:
    return text if len(text) <= _DETAIL_LIMIT else text[:_DETAIL_LIMIT] + "…"


def missing(error: Exception) -> bool:
    """True if the cloud said that the object does not exist."""
    return isinstance(error, sdk_errors.NotFoundException | auth_errors.NotFound)
