"""The in-guest program as one file: what a guest's own Python makes of it, and its reading of other tools' words."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from liveupdate.guest import bundle, checkpoint, places, proc, units
from liveupdate.guest.errors import GuestError
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "agent.pyz"
    path.write_bytes(bundle.build())
    return path


def run(program: Path, command: str, stdin: str = "") -> dict[str, dict[str, str]]:
    # -I: nothing of this checkout or its environment can be imported
    argv = [sys.executable, "-I", str(program), command]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=PATIENCE)
    answer: dict[str, dict[str, str]] = json.loads(done.stdout)
    return answer


def test_the_same_source_makes_the_same_program() -> None:
    assert bundle.build() == bundle.build()


def test_it_has_memory_of_its_own_where_run_is_full_and_all_of_it_goes() -> None:
    """On a /run that nobody else sees. ROOM comes twice: another worker may have been there before."""
    steps = (
        "mount -t tmpfs -o size=64k tmpfs /run",
        bundle.ROOM,
        bundle.ROOM,
        "! head -c 1M /dev/zero > /run/full 2>/dev/null",
        f"head -c 256K /dev/zero > {places.ROOT}/journal",
        f'test "$(stat -c %a {places.ROOT})" = 700',
        f'test "$(grep -c " {places.ROOT} " /proc/mounts)" = 1',
        f"{{ {bundle.REMOVE}; }} || true",
        f"! test -e {places.ROOT} && test -e /run/full",
    )
    private = ["unshare", "--mount", "--propagation=private", "sh", "-exc", "\n".join(steps)]
    done = subprocess.run(private, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_is_told_with_those_there_are(program: Path) -> None:
    error = run(program, "format-disk")["error"]
    assert error["code"] == "guest.unknown-command"
    assert "inspect" in error["detail"]


@pytest.mark.parametrize("rubbish", ["not json", "[1]", '{"surprise": 1}'])
def test_rubbish_in_is_an_error_out(program: Path, rubbish: str) -> None:
    assert run(program, "trial", rubbish)["error"]["code"].startswith("guest.")


@pytest.mark.parametrize("name", ["../../etc/passwd", "-x", "a/b", "x\ny", "", "x" * 300])
def test_what_is_no_unit_name_is_refused(name: str) -> None:
    with pytest.raises(GuestError) as caught:
        units.full_name(name)
    assert caught.value.code == "guest.bad-unit"


@pytest.mark.parametrize("stamped", [True, False])
def test_the_reason_is_the_first_error_not_the_last_words(tmp_path: Path, stamped: bool) -> None:
    log, lines = (
        tmp_path / "dump.log",
        [
            "(00.010) Warn  (criu/x.c:1): harmless",
            "(00.021389) Error (criu/namespaces.c:512): Can't dump nested user namespace for 412",
            "(00.021400) Error (criu/cr-dump.c:1853): Pre-dumping FAILED.",
        ],
    )
    log.write_text("\n".join(line if stamped else line.partition(") ")[2] for line in lines))
    reason = checkpoint.first_error(str(log))
    assert reason == "Can't dump nested user namespace for 412"
    assert "restart" in checkpoint.hint(reason)


def test_endpoints_are_read_as_the_kernel_writes_them() -> None:
    assert proc.endpoint("0100007F:1F90") == ("127.0.0.1", 8080)
    assert proc.endpoint("00000000000000000000000001000000:0016") == ("::1", 22)


def test_systemctl_show_of_several_units_is_taken_apart() -> None:
    assert units.parse("Id=a.service\nMainPID=1\n\nId=b.service\nExecStart=x=y\n") == [
        {"Id": "a.service", "MainPID": "1"},
        {"Id": "b.service", "ExecStart": "x=y"},
    ]


@pytest.mark.parametrize(
    ("where", "unit"),
    [
        ("/", "-.mount"),
        ("/data", "data.mount"),
        ("/srv/with-dash", r"srv-with\x2ddash.mount"),
        ("/srv/a b/", r"srv-a\x20b.mount"),
        ("/srv/.hidden", "srv-.hidden.mount"),
        ("/.h", r"\x2eh.mount"),
        ("/ü/x", r"\xc3\xbc-x.mount"),
        ("/a@b:c_d.e", r"a\x40b:c_d.e.mount"),
    ],
)
def test_mounts_have_the_units_that_systemd_escape_names(where: str, unit: str) -> None:
    assert units.mount_unit(where) == unit
