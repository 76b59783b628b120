"""Too few paths to a volume stand in the way where more are demanded; a single one is told of in any case."""

import pytest

from liveupdate.model import Verdict
from liveupdate.planning import paths
from liveupdate.planning.groups import HostGroup, Rules
from liveupdate.planning.report import paths as reported


def volume(count: int | None) -> dict[str, object]:
    return {"id": "data", "boot": False, "protocol": "rbd" if count is None else "iscsi", "paths": count}


@pytest.mark.parametrize(
    ("count", "minimum", "wrong"),
    [
        (2, 1, {}),
        (2, 2, {}),
        (1, 1, {"volume.single-path": Verdict.WARN}),
        (1, 2, {"volume.paths": Verdict.BLOCK}),
        (2, 4, {"volume.paths": Verdict.BLOCK}),
        (0, 1, {"volume.paths": Verdict.BLOCK, "volume.single-path": Verdict.WARN}),
        (None, 4, {}),
    ],
)
def test_what_is_found(count: int | None, minimum: int, wrong: dict[str, Verdict]) -> None:
    found = [f for f in paths.judge([volume(count)], minimum) if f.verdict != Verdict.OK]
    assert {f.code: f.verdict for f in found} == wrong
    assert all(f.subject == "data" and "volume_use_multipath" in f.remedy for f in found)


@pytest.mark.parametrize(("of_group", "of_job", "demanded"), [(1, None, 1), (2, None, 2), (2, 1, 2), (2, 4, 4)])
def test_the_stricter_of_host_group_and_job_counts(of_group: int, of_job: int | None, demanded: int) -> None:
    group = HostGroup("default", Rules(minimum_paths=of_group))
    assert paths.demanded(group, {"minimum_paths": of_job}) == demanded


def test_facts_of_an_older_release_say_nothing_of_paths() -> None:
    assert list(paths.judge([{"id": "data", "boot": False}], 2)) == []
    assert reported({"volumes": [{"id": "data", "boot": False}]}, {}) == [
        {"volume_id": "data", "protocol": "", "before": None, "after": None}
    ]
