"""Cancel before the pivot, as a specification: heard within seconds whatever the worker waits for, and all undone."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from liveupdate import waiting
from liveupdate.db import words
from liveupdate.engine.context import Context
from liveupdate.engine.journal import Journal
from liveupdate.states import JobState
from liveupdate.steps import resources
from liveupdate.testing.jobs import say
from tests.engine.site import Site

#: Commands to guests that are answered at once, or bounded by themselves: a freeze by its watchdog, a cut-over by its
#: dead man.
_BOUNDED = ("freeze", "cut_over")
#: All the others before the pivot: each hangs until somebody has heard of the cancel.
HANGING = (
    "original run",
    "original guard_install",
    "surrogate run",
    "original management_up",
    "original status",
    "original keygen",
    "surrogate listen",
    "original connect",
    "surrogate prepare",
    "original prepare",
    "original precopy",
    "surrogate status",
    "surrogate probe",
)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "INTERVAL", 0.05)


def cancelled_at(site: Site, at: str) -> tuple[str, list[str]]:
    """Cancelled when the command has been taken; the commands from then on."""
    command = at.partition(" ")[2]
    asked: list[str] = []
    job_id = site.accept()

    def before(told: str) -> None:
        if told == at and not asked:
            say(site.engine, job_id, words.cancel)
            site.pair.hanging.add(command)
        if asked or told == at:
            asked.append(told)
            # it hangs once: whoever undoes is answered
            if len(asked) > 1:
                site.pair.hanging.clear()

    site.pair.before = before
    assert site.finish(job_id).state == JobState.CANCELLED
    return job_id, asked


@pytest.mark.parametrize("at", HANGING)
def test_it_is_heard_while_a_guest_is_at_work(sqlite: Engine, at: str) -> None:
    site = Site(sqlite)
    began = time.monotonic()
    job_id, asked = cancelled_at(site, at)
    assert asked, f"{at} is not asked any more: see what is asked instead"
    site.assert_as_before(job_id)
    assert time.monotonic() - began < 30, "a guest hangs for a minute"


def test_there_is_no_other_command_before_the_pivot(sqlite: Engine) -> None:
    site = Site(sqlite)
    asked: list[str] = []
    site.pair.before = asked.append
    site.finish(site.accept())
    before = {told for told in asked[: asked.index("surrogate open")] if told.partition(" ")[2] not in _BOUNDED}
    assert before == set(HANGING)


def test_it_is_heard_while_the_cloud_is_waited_for(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(sqlite)
    job_id = site.accept()
    looks: list[str] = []

    def never(context: Context, *_: object, **__: object) -> None:
        def look() -> None:
            looks.append(context.spec.id)
            if len(looks) == 1:
                say(site.engine, job_id, words.cancel)

        waits(context, look, "what never comes")

    waits = resources.wait
    monkeypatch.setattr("liveupdate.steps.mirror.wait", never)
    began = time.monotonic()
    assert site.finish(job_id).state == JobState.CANCELLED
    assert (len(looks), looks[0]) == (1, "mirror")
    assert time.monotonic() - began < 30
    site.assert_as_before(job_id)


def test_a_database_that_is_away_for_a_while_does_not_end_a_wait(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(sqlite)
    away: list[Journal] = []

    def look(journal: Journal) -> object:
        if site.pair.hanging:
            away.append(journal)
            if len(away) == 3:
                site.pair.hanging.clear()
            raise OperationalError("", {}, Exception("gone"))
        return looks(journal)

    looks: Callable[[Journal], object] = Journal.look
    monkeypatch.setattr(Journal, "look", look)
    site.pair.hanging = {"keygen"}
    job_id = site.accept()
    assert site.finish(job_id).state == JobState.SUCCEEDED
    assert len(away) == 3
    site.assert_updated(job_id)
