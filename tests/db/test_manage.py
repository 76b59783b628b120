"""liveupdate-manage, as an administrator runs it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from liveupdate.cmd import orphans
from liveupdate.cmd.manage import main
from liveupdate.db import schema
from liveupdate.db.session import open_engine, read, write
from liveupdate.db.tables import jobs
from liveupdate.testing.cloud import CloudDouble, World, with_server
from liveupdate.testing.jobs import accept, work_once
from liveupdate.testing.steps import World as Steps
from tests.steps.conftest import context_of, run_before


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    file = tmp_path / "liveupdate.conf"
    file.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/l.sqlite\n")
    return ["--config-file", str(file)]


def test_check_fails_until_the_schema_is_upgraded(config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*config, "db", "check"]) == 1
    assert f"schema empty, wanted {schema.wanted()}" in capsys.readouterr().out
    assert main([*config, "db", "upgrade"]) == 0
    assert main([*config, "db", "check"]) == 0


def test_purge_takes_only_what_ended_long_ago(
    config: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*config, "db", "upgrade"])
    engine = open_engine(f"sqlite:///{tmp_path}/l.sqlite")
    old = accept(engine)
    work_once(engine, Steps())
    write(engine, lambda c: c.execute(update(jobs).where(jobs.c.id == old).values(finished_at=1)))
    recent = accept(engine)
    work_once(engine, Steps())
    still_open = accept(engine)
    capsys.readouterr()
    assert main([*config, "db", "purge", "--older-than", "30"]) == 0
    assert capsys.readouterr().out == "1 jobs purged\n"
    with read(engine) as connection:
        assert set(connection.scalars(jobs.select().with_only_columns(jobs.c.id))) == {recent, still_open}


def test_a_database_that_does_not_answer_is_told_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "liveupdate.conf"
    file.write_text("[database]\nconnection = mysql+pymysql://u:secret@127.0.0.1:1/x\n")
    assert main(["--config-file", str(file), "db", "check"]) == 1
    told = capsys.readouterr()
    assert "does not answer" in told.err
    assert "secret" not in told.err + told.out


def test_the_key_of_a_projects_webhooks_is_read_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, file = tmp_path / "key", tmp_path / "liveupdate.conf"
    key.write_text("k" * 64)
    key.chmod(0o600)
    file.write_text(f"[webhooks]\nkey_file = {key}\n")
    assert main(["--config-file", str(file), "webhook", "key", "project"]) == 0
    assert capsys.readouterr().out.startswith("whsec_")
    key.chmod(0o644)
    assert main(["--config-file", str(file), "webhook", "key", "project"]) == 1
    assert "is open to everybody" in capsys.readouterr().err


@pytest.fixture
def lost(config: list[str], monkeypatch: pytest.MonkeyPatch) -> World:
    """A cloud with what a job has left whose database is gone; the program finds it in its clouds.yaml."""
    main([*config, "db", "upgrade"])
    world = with_server()
    run_before(context_of(world), None)
    cloud = CloudDouble(world, admin=True)
    monkeypatch.setattr(orphans, "Clouds", lambda name: SimpleNamespace(watcher=lambda: cloud))
    return world


@pytest.mark.parametrize("words", [["list"], ["remove"], ["adopt"]])
def test_orphans_are_told_and_nothing_is_done(
    config: list[str], lost: World, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    before = lost.seen()
    assert main([*config, "orphans", *words]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "8 orphans: 0 to adopt, 8 to remove, 0 to look at"
    assert any(line.startswith("remove server ") for line in told) == (words != ["adopt"])
    assert lost.seen() == before


def test_orphans_are_removed_when_it_is_said(
    config: list[str], lost: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([*config, "orphans", "remove", "--apply"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert (told[0].split()[0], told[-2].split()[0], told[-1]) == ("server", "lock", "0 blocked")
    assert lost.seen() == with_server().seen()


def test_what_blocks_is_named_and_the_exit_code_tells(
    config: list[str], lost: World, capsys: pytest.CaptureFixture[str]
) -> None:
    [mirror] = [s for s in lost.snapshots.values() if s.name.endswith("mirror")]
    [volume] = [v.id for v in lost.volumes.values() if v.name.endswith("mirror")]
    lost.snapshots["theirs"] = replace(mirror, id="theirs", volume_id=volume, metadata={})
    assert main([*config, "orphans", "remove", "--apply"]) == 1
    told = capsys.readouterr()
    assert f"volume {volume} has snapshots" in told.err
    assert told.out.endswith("1 blocked\n")


def test_without_its_schema_nothing_is_looked_for(config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*config, "orphans", "remove", "--apply"]) == 1
    assert "schema empty" in capsys.readouterr().out
