"""What a simulated package update tells."""

from liveupdate.model import Verdict
from liveupdate.planning.package_findings import SIMULATE, chosen, judge

RUNNING = "6.1.0-50-cloud-amd64"
META = "Known linux-image-cloud-amd64\n"
OLDER = f"Known linux-image-{RUNNING}\n"
NEWER = "Known linux-image-6.1.0-56-cloud-amd64\n"
NEWEST = {"kernel": "newest"}


def told(code: int, output: str, kernel: str | None) -> dict[str, Verdict]:
    return {f.code: f.verdict for f in judge(code, output, {"kernel": kernel}, RUNNING)}


def test_a_newer_kernel_is_found_installed_or_not() -> None:
    assert told(0, META + OLDER + NEWER, "newest") == {
        "guest.package-source": Verdict.OK,
        "guest.packages": Verdict.OK,
        "guest.kernel": Verdict.OK,
    }


def test_without_a_newer_kernel_there_is_a_warning_where_one_was_asked_for() -> None:
    assert told(0, OLDER, "newest")["guest.kernel"] == Verdict.WARN
    assert "guest.kernel" not in told(0, OLDER, None)


def test_a_meta_package_alone_is_no_kernel() -> None:
    assert told(0, META, "newest")["guest.kernel"] == Verdict.WARN


def test_a_kernel_that_is_named_must_be_there() -> None:
    assert told(0, NEWER, "linux-image-6.1.0-56-cloud-amd64")["guest.kernel"] == Verdict.OK
    [missing] = [f for f in judge(0, NEWER, {"kernel": "linux-image-9.9.9-amd64"}, RUNNING) if f.code == "guest.kernel"]
    assert missing.verdict == Verdict.BLOCK
    assert "linux-image-9.9.9-amd64" in missing.detail
    assert missing.remedy


def test_a_broken_package_state_blocks_with_its_own_words() -> None:
    broken = judge(100, "Reading…\nE: Unmet dependencies. Try 'apt --fix-broken install'\n", NEWEST, RUNNING)
    [finding] = [f for f in broken if f.verdict == Verdict.BLOCK]
    assert finding.code == "guest.packages"
    assert "Unmet dependencies" in finding.detail
    assert finding.remedy


def test_a_package_source_that_does_not_answer_blocks_under_its_own_code() -> None:
    silent = judge(75, "E: Failed to fetch http://mirror/InRelease\n", NEWEST, RUNNING)
    assert [f.code for f in silent if f.verdict == Verdict.BLOCK] == ["guest.package-source"]


def test_where_no_package_is_to_be_updated_trouble_with_packages_only_warns() -> None:
    for code in (75, 100):
        assert Verdict.BLOCK not in told(code, "E: no\n", None).values()


def test_the_guests_own_lists_and_locks_are_left_alone() -> None:
    script = SIMULATE[-1]
    assert "-s dist-upgrade" in script
    assert "Debug::NoLocking=1" in script
    assert 'Dir::State::lists="$lists"' in script


def test_the_kernel_to_run_is_what_was_asked_for_or_the_running_one() -> None:
    assert chosen(META + OLDER + NEWER, "newest", RUNNING) == "6.1.0-56-cloud-amd64"
    assert chosen(META + OLDER + NEWER, None, RUNNING) == RUNNING
    assert chosen(NEWER, "linux-image-9.9.9-amd64", RUNNING) == ""
