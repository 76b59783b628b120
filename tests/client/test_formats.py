"""Every listing as JSON, CSV and table, whole and by columns: as scripts and people read them."""

import csv
import io
import json
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.testing.fallbacks import updated
from liveupdate.testing.jobs import unreachable, work_once
from liveupdate.testing.steps import World
from tests.api.conftest import SERVER, Cloud, golden, services_of
from tests.client.conftest import Proxy, Serve

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from liveupdate.osc.v1 import fallback, image, job, method, preview, report

pytestmark = pytest.mark.filterwarnings("ignore::Warning")

LISTS = {
    "job list": (job.ListJob, False),
    "job step list": (job.ListStep, True),
    "job event list": (job.ListEvent, True),
    "preview list": (preview.ListPreview, False),
    "fallback list": (fallback.ListFallback, False),
    "image list": (image.ListImage, False),
    "method list": (method.ListMethod, False),
}


def shown(command: Any, service: Proxy, *argv: str) -> str:
    out = io.StringIO()
    manager = SimpleNamespace(live_update=service, sdk_connection=None)
    app = SimpleNamespace(client_manager=manager, stdout=out, stderr=io.StringIO())
    made = command(app, None)
    made.run(made.get_parser("openstack").parse_args(list(argv)))
    return out.getvalue()


@pytest.fixture
def service(sqlite: Engine, serve: Serve) -> Proxy:
    return serve(services_of(sqlite, Cloud(golden=[golden()]), unreachable), "member@mine")


@pytest.fixture
def filled(service: Proxy, sqlite: Engine) -> str:
    """The id of a job that has ended; a preview, a fallback and a golden image are there, too."""
    updated(sqlite, project_id="mine", made=SERVER, server_name="web-1")
    made = service.create_job(method="surrogate", server_id=SERVER)
    service.create_preview(method="surrogate", server_id=SERVER)
    while work_once(sqlite, World()):
        pass
    return str(made.id)


@pytest.mark.parametrize("name", LISTS)
def test_a_listing_speaks_every_format(service: Proxy, filled: str, name: str) -> None:
    command, of_job = LISTS[name]
    about = (filled,) if of_job else ()
    rows = json.loads(shown(command, service, *about, "-f", "json"))
    assert rows
    first = next(iter(rows[0]))
    told = list(csv.DictReader(io.StringIO(shown(command, service, *about, "-f", "csv"))))
    assert [row[first] for row in told] == [str(row[first]) for row in rows]
    assert str(rows[0][first]) in shown(command, service, *about, "-f", "table")
    only = json.loads(shown(command, service, *about, "-f", "json", "-c", first))
    assert only == [{first: row[first]} for row in rows]


def test_one_thing_is_shown_as_json_with_its_structure(service: Proxy, filled: str) -> None:
    told = json.loads(shown(job.ShowJob, service, filled, "-f", "json", "-c", "state", "-c", "parameters"))
    assert (told["state"], told["parameters"]["kernel"]) == ("succeeded", "newest")
    told = json.loads(shown(report.ReportJob, service, filled, "-f", "json"))
    assert told["resources"]["leftovers"] == []


def test_what_has_a_structure_is_lines_for_people(service: Proxy, filled: str) -> None:
    for told in (shown(report.ReportJob, service, filled), shown(job.ShowJob, service, filled)):
        assert "{" not in told
        assert max(map(len, told.splitlines())) < 130
    assert "leftovers: 0" in shown(report.ReportJob, service, filled)
