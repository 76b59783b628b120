"""liveupdate-status upgrade check, as an operator runs it before the new release starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.cmd.status import main
from liveupdate.model import Plan, StepSpec
from liveupdate.testing.jobs import accept

OURS = methods.load()["surrogate"].plan()


@pytest.fixture
def config(tmp_path: Path, sqlite: Engine) -> Path:
    file = tmp_path / "liveupdate.conf"
    policy = tmp_path / "policy.yaml"
    policy.touch()
    file.write_text(f"[database]\nconnection = {sqlite.url}\n[oslo_policy]\npolicy_file = {policy}\n")
    return file


def check(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["--config-file", str(config), "upgrade", "check", "--json"])
    told = json.loads(capsys.readouterr().out)
    return code, {each["check"]: each["details"] for each in told["checks"] if each["result"]}


def test_all_is_well(config: Path, sqlite: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    accept(sqlite, plan=OURS)
    assert check(config, capsys) == (0, {})


def test_a_schema_that_was_not_upgraded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "empty.conf"
    file.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/empty.sqlite\n")
    code, found = check(file, capsys)
    assert code == 2
    assert "run liveupdate-manage db upgrade" in found["Database schema"]


@pytest.mark.parametrize("where", ["steps", "back"])
def test_an_open_job_with_a_step_that_is_no_more(
    config: Path, sqlite: Engine, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    gone = (StepSpec("gone", "gone"),)
    plan = Plan("old", gone if where == "steps" else OURS.steps, OURS.pivot, gone if where == "back" else ())
    accept(sqlite, plan=plan)
    code, found = check(config, capsys)
    assert code == 2
    assert "lacks (gone)" in found["Steps of open jobs"]


def test_a_rule_that_nothing_asks_for(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text('"job:create": "role:admin"\n"job:brew": "role:admin"\n')
    code, found = check(config, capsys)
    assert (code, set(found)) == (1, {"Policy file"})
    assert found["Policy file"].endswith(": job:brew")


def test_a_webhook_key_that_is_no_good(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with config.open("a") as file:
        file.write(f"[webhooks]\nkey_file = {tmp_path}/none\n")
    code, found = check(config, capsys)
    assert (code, set(found)) == (2, {"Webhook key"})


@pytest.mark.filterwarnings("ignore:the 'ALL' constant:DeprecationWarning")  # prettytable, under oslo.upgradecheck
def test_for_people_it_is_a_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config-file", str(config), "upgrade", "check"]) == 0
    assert "Check: Database schema" in capsys.readouterr().out
