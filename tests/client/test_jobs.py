"""The client and the command line of jobs and previews against the API, over HTTP."""

import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.db import events, jobs
from liveupdate.db.session import write
from liveupdate.messaging import webhooks
from liveupdate.settings import Limits, Webhooks
from liveupdate.testing.jobs import unreachable, work_once
from liveupdate.testing.steps import World, wait_forever
from tests.api.conftest import SERVER, Cloud, fail, services_of
from tests.client.conftest import Proxy, Serve, run

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from openstack.exceptions import HttpException
    from osc_lib.exceptions import CommandError

    from liveupdate.osc.v1 import job, job_action, method, preview, report

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


def create(service: Proxy, *argv: str, server: str = SERVER) -> str:
    return str(run(job.CreateJob, service, "--server", server, *argv)["id"])


def tell(engine: Engine, job_id: str, *types: str) -> None:
    def work(connection: Any) -> None:
        jobs.locked(connection, job_id)
        for type in types:
            events.add(connection, job_id, type)

    write(engine, work)


def test_a_job_is_followed_from_event_to_event_until_it_ends(service: Proxy, sqlite: Engine) -> None:
    job_id = create(service)
    working = Thread(target=work_once, args=(sqlite, World()))
    followed = service.watch_job(job_id)
    first = next(followed)
    working.start()
    seen = [first, *followed]
    working.join()
    assert [e["id"] for e in seen] == [e["id"] for e in service.job_part(job_id, "events")]
    assert (seen[0]["type"], seen[-1]["type"]) == ("job.created", "job.succeeded")
    assert list(service.watch_job(job_id)) == seen
    assert list(service.watch_job(job_id, after=seen[-1]["id"])) == []


def test_who_comes_again_misses_nothing_and_sees_nothing_twice(
    service: Proxy, sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection ends at once: each event comes once all the same."""
    monkeypatch.setattr("liveupdate.api.v1.streams._LASTS", 0.0)
    monkeypatch.setattr("liveupdate.api.v1.streams._INTERVAL", 0.01)
    monkeypatch.setattr("liveupdate.api.v1.streams._PAGE", 3)
    job_id, seen = create(service), []
    for event in service.watch_job(job_id):
        seen.append(event)
        if len(seen) < 20:
            tell(sqlite, job_id, f"test.{len(seen)}", "test.other")
        if len(seen) == 20:
            work_once(sqlite, World())
    assert [e["id"] for e in seen] == [e["id"] for e in service.job_part(job_id, "events")]
    assert len(seen) > 40


def test_streams_are_bounded_and_give_their_place_back(sqlite: Engine, serve: Serve) -> None:
    services = replace(services_of(sqlite, Cloud(), unreachable), limits=Limits(max_streams=1))
    service = serve(services, "member@mine")
    job_id = create(service)
    followed = service.watch_job(job_id)
    next(followed)
    with pytest.raises(HttpException) as told:
        next(service.watch_job(job_id))
    assert (told.value.status_code, told.value.response.headers["Retry-After"]) == (429, "10")
    followed.close()  # type: ignore[attr-defined] # it is a generator
    work_once(sqlite, World())
    for _ in range(100):
        try:
            assert list(service.watch_job(job_id))
            break
        except HttpException as error:
            assert error.status_code == 429  # noqa: PT017 - the server notices in a moment that the client has gone
    else:
        raise AssertionError("the stream's place was not given back")


def test_watch_ends_with_the_job_and_tells_what_went_wrong(service: Proxy, sqlite: Engine, capfd: Any) -> None:
    job_id, world = create(service), World()
    working = Thread(target=work_once, args=(sqlite, world))
    working.start()
    assert run(job.WatchJob, service, job_id)["state"] == "succeeded"
    working.join()
    assert "100 %  succeeded" in capfd.readouterr().err
    other = create(service)
    world.done.clear()
    world.faults["apply", "tidy"] = fail
    work_once(sqlite, world)
    with pytest.raises(CommandError, match="needs_attention: stuck") as told:
        run(job.WatchJob, service, other)
    assert "Remedy: free it" in str(told.value)


def test_watch_ends_where_the_job_waits_for_the_operator(service: Proxy, sqlite: Engine) -> None:
    job_id, world = create(service, "--confirm"), World()
    world.faults["apply", "hold"] = wait_forever
    work_once(sqlite, world)
    assert run(job.WatchJob, service, job_id)["step"] == "hold"


def test_steps_tell_how_long_is_left_by_what_earlier_jobs_took(service: Proxy, sqlite: Engine) -> None:
    first = create(service)
    assert service.job_steps(first)["remaining_seconds"] is None
    work_once(sqlite, World())
    second = create(service)
    told = service.job_steps(second)
    assert told["remaining_seconds"] >= 0
    assert all(step["expected_seconds"] >= 0 for step in told["steps"])


def test_every_action_has_its_command(service: Proxy, sqlite: Engine) -> None:
    job_id = create(service)
    assert run(job_action.PauseJob, service, job_id)["paused"] is True
    assert run(job_action.ResumeJob, service, job_id)["paused"] is False
    assert run(job_action.SkipStep, service, job_id, "--step", "tidy")["state"] == "queued"
    assert run(job_action.StartJob, service, job_id)["state"] == "queued"
    assert run(job_action.CancelJob, service, job_id)["id"] == job_id
    for command in (job_action.ApproveJob, job_action.ConfirmJob, job_action.RollbackJob, job_action.RetryJob):
        with pytest.raises(CommandError, match=r"live-update\."):
            run(command, service, job_id)
    with pytest.raises(CommandError, match=r"live-update\.job\.wrong-state"):
        run(job_action.CleanupJob, service, job_id)


def test_when_a_job_begins_is_said_on_the_command_line(service: Proxy) -> None:
    said = ("--window", "sat,sun 22:00-04:00", "--require-approval", "--idempotency-key", "k")
    shown = run(job.CreateJob, service, "--server", SERVER, *said)
    assert (shown["window"], shown["approval"]) == ("sat,sun 22:00-04:00", "needed")
    assert run(job.CreateJob, service, "--server", SERVER, *said)["id"] == shown["id"]


def test_webhooks_are_named_on_the_command_line_and_shown_without_their_secrets(sqlite: Engine, serve: Serve) -> None:
    accept = partial(webhooks.accept, config=Webhooks("key"))
    service = serve(replace(services_of(sqlite, Cloud(), unreachable), accept_webhooks=accept), "member@mine")
    told = ("--webhook", "https://hooks.example/hunter2", "--webhook", "https://other.example/in?token=hunter2")
    shown = run(job.CreateJob, service, "--server", SERVER, *told)["parameters"]
    assert shown.machine_readable()["webhooks"] == ["https://hooks.example/***", "https://other.example/***"]
    assert "hunter2" not in shown.human_readable()


def test_help_tells_of_webhooks() -> None:
    command = job.CreateJob(SimpleNamespace(), None)  # type: ignore[arg-type] # no more of it is looked at
    told = command.get_parser("openstack live update job create").format_help()
    assert "--webhook <url>" in told
    assert "is told what happens to the job" in " ".join(told.split())


def test_a_job_is_started_from_a_preview(service: Proxy, sqlite: Engine) -> None:
    run(preview.CreatePreview, service, "--server", SERVER, "--kernel", "keep")
    [row] = run(preview.ListPreview, service)
    work_once(sqlite, World())
    shown = run(job.CreateJob, service, "--preview", row[0], "--confirm")
    assert shown["preview_id"] == row[0]
    parameters = shown["parameters"].machine_readable()
    assert (parameters["kernel"], parameters["confirm"]) == (None, True)


def test_lists_are_filtered_sorted_and_go_over_pages(service: Proxy) -> None:
    made = [create(service, server=f"{n}{SERVER[1:]}") for n in range(1, 6)]
    assert [j.id for j in service.jobs(limit=2)] == made[::-1]
    assert [row[0] for row in run(job.ListJob, service, "--sort", "created_at:asc")] == made
    assert [row[0] for row in run(job.ListJob, service, "--limit", "2")] == made[:2:-1]
    assert [row[0] for row in run(job.ListJob, service, "--server", f"3{SERVER[1:]}")] == [made[2]]
    assert run(job.ListJob, service, "--state", "succeeded") == []
    assert run(job.ListJob, service, "--changes-since", "2100-01-01T00:00:00Z") == []
    with pytest.raises(CommandError, match=r"live-update\.request\.invalid"):
        run(job.ListJob, service, "--state", "unheard-of")


def test_what_belongs_to_a_job_is_listed(service: Proxy, sqlite: Engine) -> None:
    job_id = create(service)
    work_once(sqlite, World())
    assert run(job.ListStep, service, job_id)[0][:2] == ("prepare", "done")
    assert [row[2] for row in run(job.ListEvent, service, job_id)][-1] == "job.succeeded"
    assert run(job.ListResource, service, job_id) == []
    assert run(report.ReportJob, service, job_id)["state"] == "succeeded"
    [row] = run(method.ListMethod, service)
    assert (row[0], row[2]) == ("surrogate", "open")


def test_completion_knows_every_command() -> None:
    """As a stock client would: in a process of its own, which finds the plug-in by its entry points."""
    stock = str(Path(sys.executable).parent / "openstack")
    done = subprocess.run([stock, "complete"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = next(line for line in done.stdout.splitlines() if line.strip().startswith("cmds_live_update_job="))
    for command in ("approve", "cancel", "cleanup", "create", "list", "pause", "skip", "step", "watch"):
        assert command in told.split("'")[1].split()
    options = next(line for line in done.stdout.splitlines() if line.strip().startswith("cmds_live_update_job_create="))
    assert "--window" in options
