"""Tools of the guest never hold its program up, whatever they do."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from liveupdate.guest.errors import GuestError
from liveupdate.guest.external import run
from tests.waiting import PATIENCE


def test_a_tool_tells_its_end_and_its_words() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (done.code, sorted(done.text.split())) == (3, ["err", "out"])
    with pytest.raises(GuestError, match="exit 3"):
        run(["sh", "-c", "exit 3"])


def test_a_tool_that_is_not_there_says_what_to_install() -> None:
    with pytest.raises(GuestError) as caught:
        run(["no-such-tool"])
    assert caught.value.remedy == "install no-such-tool"


def test_what_is_too_slow_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    # neither heeds SIGTERM, and the second keeps the pipe open on which the first one's words are awaited
    stubborn = f"trap '' TERM; (while :; do sleep 1; done) & echo $! > {tmp_path}/pid; wait; wait"
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(run, ["sh", "-c", stubborn], timeout=0.5)
        with pytest.raises(GuestError, match="no end after"):
            hung.result(timeout=PATIENCE)
    assert not _runs((tmp_path / "pid").read_text().strip())


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
