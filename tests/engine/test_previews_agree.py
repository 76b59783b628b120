"""Previews tell the truth: what a preview says of a server, the update of this server meets, all else being equal.

Both are real, on a cloud and guests in memory. docs/reliability.md has the figure.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.db import jobs, previews, steps
from liveupdate.db.session import read
from liveupdate.model import Verdict
from liveupdate.states import OPEN, JobState
from liveupdate.worker import figures
from liveupdate.worker.telling import Teller
from tests.api.conftest import SERVER
from tests.docs.site import Site
from tests.waiting import until
from tests.worker.test_figures import sample

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


@dataclass(frozen=True)
class Situation:
    """``of_server``: how the server is; ``parameters``: what is asked for; ``silent_in``: as Site's."""

    verdict: Verdict
    code: str = ""
    of_server: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    silent_in: str = ""


BLOCK, WARN, OK = Verdict.BLOCK, Verdict.WARN, Verdict.OK
SITUATIONS = {
    "nothing is wrong": Situation(OK),
    "units that restart": Situation(OK, parameters={"units": [{"name": "kv.service", "handover": "restart"}]}),
    "its owner says restart": Situation(OK, of_server={"tags": ("liveupdate:action=restart",)}),
    "its owner wants to be told": Situation(WARN, "owner.notify", {"tags": ("liveupdate:action=notify",)}),
    "its owner says never": Situation(BLOCK, "owner.never", {"tags": ("liveupdate:action=never",)}),
    "its owner's budget": Situation(BLOCK, "blackout.budget", {"tags": ("liveupdate:blackout_budget=0.01",)}),
    "locked": Situation(BLOCK, "server.unlocked", {"locked": True}),
    "stopped": Situation(BLOCK, "server.active", {"status": "SHUTOFF"}),
    "busy": Situation(BLOCK, "server.idle", {"task_state": "resize_prep"}),
    "too small a budget": Situation(BLOCK, "blackout.budget", parameters={"blackout_budget_seconds": 0.01}),
    "no such kernel": Situation(BLOCK, "guest.kernel", parameters={"kernel": "linux-image-9.9.9-1-amd64"}),
    "no such volume type": Situation(BLOCK, "volume.mirror-type", parameters={"mirror_volume_type": "nothing"}),
    "a guest that is silent": Situation(BLOCK, "live-update.guest.unreachable", silent_in="preflight"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_an_update_meets_what_its_preview_has_told(sqlite: Engine, name: str) -> None:
    case = SITUATIONS[name]
    asked = {"method": "surrogate", "server_id": SERVER, **case.parameters}
    with Site(sqlite, silent_in=case.silent_in).running() as site:
        there = site.world.servers[SERVER]
        site.world.servers[SERVER] = replace(there, **case.of_server)
        service = site.client("").live_update
        preview = service.create_preview(**asked)
        until(lambda: service.get_preview(preview.id).state not in OPEN)
        job = service.create_job(**asked)
        until(lambda: service.get_job(job.id).state not in OPEN)
        ended = service.get_job(job.id)
    with read(sqlite) as connection:
        foretold = previews.result(connection, jobs.get(connection, preview.id))
        met = steps.of_job(connection, job.id)[0]
    told = [(f["code"], f["verdict"], f["subject"]) for f in foretold["findings"]]
    assert foretold["verdict"] == case.verdict, foretold["findings"]
    assert not case.code or (case.code, case.verdict) in {(code, verdict) for code, verdict, _ in told}
    if case.verdict == BLOCK:
        assert (ended.state, ended.code) == (JobState.UNDONE, "live-update.preflight.blocked")
        assert all(f["detail"] in ended.reason for f in foretold["findings"] if f["verdict"] == BLOCK)
        return
    assert ended.state == JobState.SUCCEEDED, ended.reason
    assert told == [(f["code"], f["verdict"], f["subject"]) for f in met.result["findings"]]
    assert foretold["units"] == met.result["units"]


def test_the_page_about_reliability_has_the_figure() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    assert f"{len(SITUATIONS)} of {len(SITUATIONS)} situations" in page


def test_how_often_previews_are_right_is_a_figure(sqlite: Engine) -> None:
    labels = {"method": "surrogate", "verdict": "ok", "outcome": "succeeded"}
    before = sample("liveupdate_jobs_foretold_total", **labels)
    with Site(sqlite).running() as site:
        service = site.client("").live_update
        preview = service.create_preview(method="surrogate", server_id=SERVER)
        until(lambda: service.get_preview(preview.id).state not in OPEN)
        job = service.create_job(method="surrogate", server_id=SERVER, preview_id=preview.id)
        until(lambda: service.get_job(job.id).state not in OPEN)
        assert service.job_part(job.id, "report")["preview"]["verdict"] == "ok"
    Teller(sqlite, (), 1, figures.count).fan_out()
    assert sample("liveupdate_jobs_foretold_total", **labels) - before == 1
