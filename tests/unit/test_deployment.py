"""What an operator takes from the repository: units, and an image, that start what there is. No Docker is needed here.

The long test makes the image's venv by the Dockerfile's own commands, from nothing but what .dockerignore lets in.
"""

import configparser
import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
UNITS = sorted((ROOT / "etc" / "systemd").glob("*.service"))


def unit(path: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=True, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(path)
    return parsed


def instructions() -> list[tuple[str, str]]:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    words = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    return [(word[0], word[1]) for word in words]


def arguments(name: str) -> list[str]:
    return [argument for instruction, argument in instructions() if instruction == name]


def context() -> list[Path]:
    """What .dockerignore lets into the build, as Docker reads it: the last line that matches counts."""
    rules = (ROOT / ".dockerignore").read_text().split()
    ours = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = subprocess.run(ours, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()

    def included(name: str) -> bool:
        let_in = True
        for rule in rules:
            pattern = rule.lstrip("!").replace("**/", "*")
            above = [name, *map(str, Path(name).parents)]
            if any(fnmatch.fnmatch(part, pattern) for part in above if part != "."):
                let_in = rule.startswith("!")
        return let_in

    return [Path(name) for name in tracked if included(name)]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_program_that_there_is(path: Path) -> None:
    service = unit(path)["Service"]
    program, *options = shlex.split(service["ExecStart"])
    assert Path(program).name in PROGRAMS
    assert Path(program).name == path.stem
    assert options == ["--config-file", "/etc/liveupdate/liveupdate.conf"]
    assert service["User"] != "root"
    # SIGTERM goes to the program alone, and SIGKILL only to what is left of it
    assert service["KillMode"] == "mixed"
    assert "KillSignal" not in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_a_unit(path: Path, tmp_path: Path) -> None:
    text = re.sub(r"/opt/liveupdate/bin/\S+", "/bin/true", path.read_text())
    (tmp_path / path.name).write_text(text)
    argv = ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)]
    answer = subprocess.run(argv, capture_output=True, text=True)
    assert path.name not in answer.stderr


def test_the_image_is_built_from_the_package_and_little_else() -> None:
    there = {path.parts[0] for path in context()}
    assert there == {"liveupdate", "migrations", "LICENSE", "README.md", "constraints.txt", "pyproject.toml"}


def test_the_image_runs_without_root_and_starts_a_program_that_there_is() -> None:
    [user] = arguments("USER")
    assert user.isdigit()
    assert int(user) > 0
    [start] = arguments("CMD")
    assert start.strip('[]"') in PROGRAMS
    # what builds it stays behind
    assert [line.split()[0] for line in arguments("FROM")] == ["python:3.11-slim-bookworm"] * 2
    assert [line.split()[0] for line in arguments("COPY")] == [".", "--from=build"]


@pytest.mark.long
def test_the_images_steps_make_programs_that_start(tmp_path: Path) -> None:
    source, target = tmp_path / "src", tmp_path / "liveupdate"
    for path in context():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    build = arguments("RUN")[0].replace("/opt/", f"{tmp_path}/").replace("/src", str(source))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(build, shell=True, check=True, cwd=tmp_path, env=environment)  # noqa: S602 - the Dockerfile's own
    for program in PROGRAMS:
        argv = [str(target / "bin" / program), "--help"]
        answer = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
    # the migrations are inside the package, and all extras of the server are there
    conf = tmp_path / "liveupdate.conf"
    conf.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/l.sqlite\n")
    argv = [str(target / "bin" / "liveupdate-manage"), "--config-file", str(conf), "db", "upgrade"]
    subprocess.run(argv, cwd=tmp_path, check=True)
    wanted = subprocess.run([*argv[:-1], "check"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "wanted" in wanted
    assert not (target / "lib" / "python3.11" / "site-packages" / "pytest").exists()
