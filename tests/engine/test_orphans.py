"""What no ledger stands for, as a specification: found by its marks, adopted or taken away, whatever may serve left."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, delete, update

from liveupdate.db import resources, tables, words
from liveupdate.db.session import read, write
from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.attachments import Attachment
from liveupdate.engine import orphans
from liveupdate.engine.orphans import look, remove
from liveupdate.methods.capture import METHOD as CAPTURE
from liveupdate.methods.deploy import METHOD as DEPLOY
from liveupdate.methods.surrogate import METHOD
from liveupdate.planning.orphans import Fate, Verdict
from liveupdate.states import JobState, ResourceState
from liveupdate.steps import clean_up, release_original
from liveupdate.steps.protocol import Step
from liveupdate.testing.cloud import CloudDouble, World, with_local_root, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.jobs import accept, say
from liveupdate.testing.storage import volume
from tests.engine.killable import Killed
from tests.engine.site import Site
from tests.steps.conftest import ORDER, context_of, drive, run_before
from tests.steps.crashes import crashes
from tests.steps.test_capture import asked, captured, deploying

JOB = job().id


def cloud(world: World) -> Any:
    return CloudDouble(world, admin=True)


def seen(engine: Engine, world: World) -> list[Verdict]:
    return look(engine, cloud(world), accepting=0)


def clear(engine: Engine, world: World) -> list[str]:
    """Take away what may go; what was in its way."""
    return [error.detail for _, error in remove(cloud(world), seen(engine, world)) if error]


def fates(verdicts: list[Verdict]) -> set[tuple[Fate, str, str]]:
    return {(v.fate, v.sighting.kind, v.sighting.role) for v in verdicts}


def left(before: Step | None, make: Callable[[], World] = with_server) -> tuple[World, MemoryContext]:
    """What a job leaves whose database is lost before the step; None: with its surrogate up and connected."""
    world = make()
    context = context_of(world)
    run_before(context, before)
    return world, context


def copied_to(world: World, context: MemoryContext) -> str:
    """Something is on the surrogate: pre_copy has begun."""
    surrogate = str(context.results["provision"]["server_id"])
    cloud(world).servers.remove_tag(surrogate, marks.IDLE)
    return surrogate


# -- the ledger is lost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [with_server, with_local_root])
@pytest.mark.parametrize("before", [*ORDER[1:], None], ids=lambda s: s.name if s else "the copying")
def test_before_anything_is_copied_all_of_it_goes(
    sqlite: Engine, before: Step | None, make: Callable[[], World]
) -> None:
    world, _ = left(before, make)
    assert {v.fate for v in seen(sqlite, world)} == {Fate.REMOVE}
    assert clear(sqlite, world) == []
    assert world.seen() == make().seen()
    assert seen(sqlite, world) == []


def test_to_look_changes_nothing(sqlite: Engine) -> None:
    world, _ = left(None)
    before = world.seen()
    seen(sqlite, world)
    assert world.seen() == before


def test_it_may_be_repeated_after_any_crash(sqlite: Engine) -> None:

    def clear_away(context: MemoryContext) -> None:
        for verdict, error in remove(context.service_cloud(), look(sqlite, context.service_cloud(), accepting=0)):
            assert error is None, verdict

    for world, _ in crashes(lambda: left(None), clear_away, least=14):
        assert clear(sqlite, world) == []
        assert world.seen() == with_server().seen()


def test_what_a_guest_has_attached_by_itself_goes_before_its_server(sqlite: Engine) -> None:
    world, context = left(None)
    surrogate = context.results["provision"]["server_id"]
    world.inside["a"] = Attachment("a", "data-volume", surrogate, "iscsi", ())
    del world.attached[surrogate]["data-volume"]
    assert (Fate.REMOVE, "guest_attachment", "inside-data-vol") in fates(seen(sqlite, world))
    assert clear(sqlite, world) == []
    assert world.seen() == with_server().seen()


def test_a_surrogate_that_may_serve_is_named_and_all_of_its_job_stays(sqlite: Engine) -> None:
    world, context = left(None)
    surrogate, before = copied_to(world, context), world.seen()
    verdicts = seen(sqlite, world)
    assert {v.fate for v in verdicts} == {Fate.STAYS}
    [told] = [v for v in verdicts if v.sighting.kind == "server"]
    assert told.why == "it may serve in the place of original, which is still there"
    assert f"if it is original, delete {surrogate}" in told.remedy
    clear(sqlite, world)
    assert world.seen() == before


def test_once_the_operator_has_deleted_it_the_rest_goes(sqlite: Engine) -> None:
    world, context = left(None)
    cloud(world).servers.delete(copied_to(world, context))
    assert clear(sqlite, world) == []
    assert world.seen() == with_server().seen()


def test_once_the_operator_has_taken_our_tags_from_it_nothing_that_it_has_goes(sqlite: Engine) -> None:
    world, context = left(None)
    surrogate = copied_to(world, context)
    cloud(world).servers.set_tags(surrogate, [])
    mirror, own = context.results["mirror"]["volume_id"], context.results["reserve_port"]["surrogate"]["port_id"]
    [kept] = context.results["fallback"]["taken"]
    clear(sqlite, world)
    assert {surrogate, "original"} == set(world.servers)
    assert {mirror, kept["id"], own} <= {*world.volumes, *world.snapshots, *world.ports}
    assert world.servers["original"].locked, "nobody shall start it beside the other"


@pytest.mark.parametrize("make", [with_server, with_local_root])
def test_what_an_update_has_kept_to_return_to_stays(sqlite: Engine, make: Callable[[], World]) -> None:
    world, context = left(None, make)
    drive(context, release_original.STEP, clean_up.STEP)
    before = world.seen()
    assert {(fate, role) for fate, _, role in fates(seen(sqlite, world))} == {(Fate.STAYS, "fallback")}
    assert clear(sqlite, world) == []
    assert world.seen() == before


def test_in_the_midst_of_the_release_nothing_of_the_server_that_serves_goes(sqlite: Engine) -> None:
    """At whatever call the worker and its ledger were lost."""

    def about_to_release() -> tuple[World, MemoryContext]:
        world, context = left(None)
        copied_to(world, context)
        return world, context

    for world, context in crashes(about_to_release, lambda context: drive(context, release_original.STEP), least=21):
        clear(sqlite, world)
        surrogate = context.results["provision"]["server_id"]
        [kept] = context.results["fallback"]["taken"]
        assert surrogate in world.servers
        assert context.results["mirror"]["volume_id"] in world.attached[surrogate]
        assert {"root-volume", "data-volume"} <= world.volumes.keys()
        assert "own-port" in world.ports
        assert kept["id"] in world.snapshots


#: Every how many-th of the moments at which all of ours can be lost is tried.
STRIDE = 11


def test_whenever_worker_and_database_are_lost_who_serves_keeps_all_that_it_needs(sqlite: Engine) -> None:
    counted = Site(sqlite)
    counted.finish(counted.accept())
    ends = set()
    for moment in range(1, counted.moments + 1, STRIDE):
        write(sqlite, lambda c: c.execute(delete(tables.jobs)))
        site = Site(sqlite, fatal=moment)
        job_id = site.accept()
        site.work(job_id, lambda job, at=site: at.moments >= at.fatal)  # type: ignore[misc]
        write(sqlite, lambda c: c.execute(delete(tables.jobs)))
        made = [s for s in site.world.servers.values() if s.id != "original"]
        may_serve = any(marks.IDLE not in s.tags for s in made)
        there = {"original", *(s.id for s in made)} & site.world.servers.keys()
        clear(sqlite, site.world)
        if may_serve:
            assert there == site.world.servers.keys()
            assert {"data-volume", "root-volume"} <= site.world.volumes.keys()
            for side in site.pair.serving:
                assert "data-volume" in site.world.attached[site.pair.servers[side]]
        elif there:
            assert site.pair.serving == {"original"}
            assert site.world.seen() == site.before
        ends.add(may_serve)
    assert ends == {True, False}


def test_a_surrogate_is_idle_until_something_is_copied_to_it(sqlite: Engine) -> None:
    for step, idle in (("pre_copy", True), ("cut_over", False)):
        site = Site(sqlite)
        stopped_before(site, step)
        [made] = [s for s in site.world.servers.values() if s.id != "original"]
        assert (marks.IDLE in made.tags) == idle
        write(sqlite, lambda c: c.execute(delete(tables.jobs)))


def test_a_golden_image_and_all_behind_it_is_no_orphan(sqlite: Engine) -> None:
    world, _ = captured("data-volume")
    assert seen(sqlite, world) == []


def test_not_even_if_its_owner_has_changed_what_it_says(sqlite: Engine) -> None:
    world, _ = captured("data-volume")
    [image] = world.golden.values()
    world.golden[image.id] = replace(image, disks=())
    assert seen(sqlite, world) == []


def test_an_image_that_was_never_published_goes_with_all_behind_it(sqlite: Engine) -> None:
    world, context = asked("data-volume")
    before = world.seen()
    drive(context, *CAPTURE.steps[:10])
    assert {i.status for i in world.images.values()} == {"active"}
    assert clear(sqlite, world) == []
    assert world.seen() == before


def test_servers_of_a_deployment_are_their_owners(sqlite: Engine) -> None:
    world, context = deploying()
    drive(context, *DEPLOY.steps[:2])
    assert fates(seen(sqlite, world)) == {(Fate.STAYS, "server", f"deployed-{n}") for n in (1, 2)}


def test_what_others_make_of_our_things_is_not_ours(sqlite: Engine) -> None:
    """Nova and Cinder hand metadata on."""
    world = with_server()
    theirs = volume("theirs", name="my copy", metadata=marks.metadata(JOB, "mirror"))
    world.volumes["theirs"] = theirs
    world.servers["original"] = replace(world.servers["original"], tags=("liveupdate:action=never",))
    assert seen(sqlite, world) == []


def test_what_cannot_be_taken_away_is_told_and_the_lock_stays(sqlite: Engine) -> None:
    world, _ = left(None)
    [snapshot] = [s for s in world.snapshots.values() if s.name.endswith("mirror")]
    world.snapshots["other"] = replace(snapshot, id="other", volume_id=mirror_of(world), metadata={})
    [told] = clear(sqlite, world)
    assert "has snapshots" in told
    assert world.servers["original"].locked
    del world.snapshots["other"]
    assert clear(sqlite, world) == []
    assert world.seen() == with_server().seen()


def mirror_of(world: World) -> str:
    [found] = [v.id for v in world.volumes.values() if v.metadata.get(marks.ROLE) == "mirror"]
    return found


# -- the ledger is there -----------------------------------------------------------------------------------------------


def stopped_before(site: Site, step: str) -> str:
    """A job whose worker dies when the step begins, again and again."""

    def die(context: object) -> None:
        raise Killed

    site.steps = {**site.steps, step: replace(site.steps[step], apply=die)}  # type: ignore[arg-type]
    job_id = site.accept()
    site.work(job_id, lambda job: job.step == (site.steps[step].part or step))
    return job_id


@pytest.mark.parametrize("step", [s.name for s in METHOD.steps[1:]])
def test_what_a_job_has_in_its_ledger_is_none_whatever_step_it_is_at(sqlite: Engine, step: str) -> None:
    site = Site(sqlite)
    stopped_before(site, step)
    assert seen(sqlite, site.world) == []


def test_what_an_ended_job_has_kept_is_none(sqlite: Engine) -> None:
    site = Site(sqlite)
    site.finish(site.accept())
    assert seen(sqlite, site.world) == []


def test_what_a_job_at_work_lacks_is_left_to_it(sqlite: Engine) -> None:
    site = Site(sqlite)
    forget(sqlite, stopped_before(site, "attach"))
    verdicts = seen(sqlite, site.world)
    assert {v.fate for v in verdicts} == {Fate.STAYS}
    assert {v.why for v in verdicts} == {"its job is running"}


def test_what_a_stuck_job_lacks_is_adopted_and_its_cleanup_takes_it(sqlite: Engine) -> None:
    site = Site(sqlite)
    job_id = stopped_before(site, "pre_copy")
    forget(sqlite, job_id)
    stick(sqlite, job_id)
    before = site.world.seen()
    verdicts = seen(sqlite, site.world)
    assert {v.fate for v in verdicts} == {Fate.ADOPT}
    assert site.world.seen() == before
    for _ in range(2):
        assert [error for _, error in orphans.adopt(sqlite, verdicts) if error] == []
    with read(sqlite) as connection:
        lines = resources.of_job(connection, job_id)
    assert len(lines) == len(verdicts), "adopted twice is adopted once"
    assert seen(sqlite, site.world) == []
    say(sqlite, job_id, words.clean_up, None)
    assert site.finish(job_id).state == JobState.UNDONE
    assert site.world.seen() == site.before
    site.assert_nothing_open(job_id)


def test_a_job_that_goes_on_meanwhile_is_not_given_anything(sqlite: Engine) -> None:
    site = Site(sqlite)
    job_id = stopped_before(site, "attach")
    forget(sqlite, job_id)
    stick(sqlite, job_id)
    verdicts = seen(sqlite, site.world)
    say(sqlite, job_id, words.retry)
    told = {error.detail for _, error in orphans.adopt(sqlite, verdicts) if error}
    assert told == {f"job {job_id} is running by now"}


def test_another_one_of_the_same_name_waits_for_its_jobs_end_and_goes_then(sqlite: Engine) -> None:
    site = Site(sqlite)
    job_id = stopped_before(site, "attach")
    mirror = site.world.volumes[mirror_of(site.world)]
    site.world.volumes["double"] = replace(mirror, id="double", servers=frozenset(), status="available")
    [verdict] = seen(sqlite, site.world)
    assert (verdict.fate, verdict.why) == (Fate.STAYS, "its job is running and has another volume for mirror")
    say(sqlite, job_id, words.cancel)
    site.finish(job_id)
    assert clear(sqlite, site.world) == []
    assert site.world.seen() == site.before


def forget(engine: Engine, job_id: str) -> None:
    """The ledger is lost, as after the return to a backup of the database; the job is not."""
    write(engine, lambda c: c.execute(delete(tables.resources).where(tables.resources.c.job_id == job_id)))


def stick(engine: Engine, job_id: str) -> None:
    here = tables.jobs.c.id == job_id
    write(engine, lambda c: c.execute(update(tables.jobs).where(here).values(state=JobState.NEEDS_ATTENTION)))


# -- trusts ------------------------------------------------------------------------------------------------------------


def test_a_trust_that_no_job_has_goes(sqlite: Engine) -> None:
    world = with_server()
    world.trusts = {"of a job", "of nobody"}
    accept(sqlite, trust_id="of a job")
    [verdict] = seen(sqlite, world)
    assert (verdict.fate, verdict.why) == (Fate.REMOVE, "no job works by this trust")
    assert clear(sqlite, world) == []
    assert world.trusts == {"of a job"}


def test_one_of_a_job_that_is_just_being_accepted_is_waited_for(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = with_server()
    world.trusts = {"new"}
    monkeypatch.setattr("time.sleep", lambda seconds: accept(sqlite, trust_id="new"))
    assert look(sqlite, cloud(world)) == []


def test_a_line_that_is_kept_outlives_its_job(sqlite: Engine) -> None:
    """A golden image's, for instance, whose job was an earlier one."""
    world = with_server()
    world.volumes["kept"] = volume("kept", name=marks.name(JOB, "copy-0"), metadata=marks.metadata(JOB, "copy-0"))
    assert len(seen(sqlite, world)) == 1
    keeper = accept(sqlite)

    def keep(connection: Any) -> None:
        line = resources.add(connection, keeper, "volume", "copy-0", "kept", {})
        resources.close(connection, resources.created(connection, line, "kept", None), ResourceState.KEPT)

    write(sqlite, keep)
    assert seen(sqlite, world) == []
