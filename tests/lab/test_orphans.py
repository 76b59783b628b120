"""What a job has left in the lab's real services when its database is lost: found by its marks, and taken away.

On a simulated host, without a guest. Whatever else is in the lab is left alone: only the verdicts of this job are used.
"""

from typing import Any

import pytest
from sqlalchemy import Engine

from lab.demo import inventory
from liveupdate.drivers.cloud import Clouds, marks
from liveupdate.engine import orphans
from liveupdate.planning.orphans import Fate, Verdict
from liveupdate.testing.context import MemoryContext
from tests.lab.driving import drive
from tests.lab.test_cloud_side import FORWARD
from tests.lab.test_cloud_side import context as context_of_a_server
from tests.lab.test_cloud_side import server as server_with_volumes

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("clouds_yaml"),
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

context, server = context_of_a_server, server_with_volumes


@pytest.mark.parametrize(
    "server", ["boot volume", pytest.param("local root", marks=pytest.mark.long)], indirect=["server"]
)
def test_all_of_it_goes_in_any_number_of_runs_unless_a_server_may_serve(
    admin: Any, server: Any, context: MemoryContext, sqlite: Engine
) -> None:
    cloud = Clouds("liveupdate").watcher()

    def seen() -> list[Verdict]:
        return [v for v in orphans.look(sqlite, cloud, accepting=0) if v.sighting.job_id == context.job.id]

    def take_away(some: list[Verdict]) -> list[str]:
        return [f"{v.sighting.kind}: {error.detail}" for v, error in orphans.remove(cloud, some) if error]

    before = inventory.take(admin)
    drive(context, *FORWARD)
    surrogate = context.results["provision"]["server_id"]
    made = {line.kind for line in context.ledger.open()} - {"attachment"}
    assert {v.sighting.kind for v in seen()} == made
    assert context.job.trust_id in cloud.trusts.all()

    cloud.servers.remove_tag(surrogate, marks.IDLE)
    cloud.servers.remove_tag(surrogate, marks.IDLE)
    assert {v.fate for v in seen()} == {Fate.STAYS}
    assert take_away(seen()) == []
    assert admin.compute.get_server(surrogate).status == "ACTIVE"
    assert admin.compute.get_server(server.id).is_locked

    cloud.servers.set_tags(surrogate, [marks.line(context.job.id, "surrogate"), marks.IDLE])
    assert {v.fate for v in seen()} == {Fate.REMOVE}
    assert take_away(seen()[:2]) == [], "as far as a run came that was killed"
    assert take_away(seen()) == []
    assert seen() == []
    change = inventory.compare(before, inventory.take(admin))
    assert inventory.leftovers(change, set()) == []
    assert change.vanished == {}
