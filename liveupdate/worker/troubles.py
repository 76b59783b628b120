"""What a worker cannot do at the moment: told when it begins and when it is over, not each time that it tries."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from liveupdate.db.session import AWAY
from liveupdate.errors import LiveUpdateError

LOG = logging.getLogger(__name__)


class Troubles:
    """Each ``what`` is tried by one thread at a time."""

    def __init__(self) -> None:
        #: what → why, and since when.
        self._there: dict[str, tuple[str, float]] = {}

    @contextmanager
    def outlived(self, what: str) -> Iterator[None]:
        """What fails inside goes no further: it is tried again later."""
        try:
            yield
        except (LiveUpdateError, SQLAlchemyError) as error:
            self._tell(what, error)
        else:
            if what in self._there:
                _, since = self._there.pop(what)
                LOG.info("can %s again, after %.0f s", what, time.monotonic() - since)

    def _tell(self, what: str, error: Exception) -> None:
        kind = type(error).__name__
        seen, since = self._there.get(what, ("", time.monotonic()))
        self._there[what] = kind, since
        if kind != seen:
            LOG.warning("cannot %s: %s", what, why(error))


def why(error: Exception) -> str:
    """Without what was to be written."""
    if isinstance(error, LiveUpdateError):
        return error.detail
    kind = type(error).__name__
    if not isinstance(error, AWAY):
        return kind
    cause = str(getattr(error, "orig", None) or kind)
    return f"the database does not answer: {cause.splitlines()[0]}"
