"""The policies of utilization on figures that really travel: file, node exporter, Prometheus, our driver.

Prometheus here is the test's own. It is given a history of twenty minutes, so that nobody waits for the mean of
fifteen, and goes on from there with what its exporters tell.
"""

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from lab import load, metrics, processes, settings
from lab.demo.servers import wait_for
from lab.load import Times
from lab.settings import PATIENCE
from liveupdate.api.host_groups import HostGroups
from liveupdate.drivers.metrics import Source, make
from liveupdate.drivers.metrics.prometheus import QUERIES
from liveupdate.model import NoData, Utilization
from liveupdate.settings import Metrics
from tests.lab.fleet import choice, host_group, server_on

pytestmark = [
    pytest.mark.lab,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = f"metrics-{uuid.uuid4().hex[:6]}"
HOME, LATE, SOON, STEADY, SHORT, STALE = settings.FAKE_HOSTS[:6]
#: Host → (minutes, share of processors, share of memory), one after the other until now.
HISTORY: dict[str, list[tuple[float, float, float]]] = {
    HOME: [(20, 0.1, 0.1)],
    # the idlest and emptiest at the moment, and by no means in fifteen minutes
    LATE: [(15, 0.9, 0.9), (5, 0.05, 0.05)],
    SOON: [(15, 0.1, 0.7), (5, 0.9, 0.7)],
    STEADY: [(20, 0.45, 0.3)],
    SHORT: [(6, 0.01, 0.01)],
    # and then its exporter was silent
    STALE: [(16, 0.01, 0.01), (4, -1, -1)],
}
MEASURED = (HOME, LATE, SOON, STEADY)
#: Seconds between two samples of the history.
EVERY = 15


def mean(host: str) -> tuple[float, float]:
    """Of the last fifteen minutes, by the definition: processors, memory."""
    left, cpu, memory = 15.0, 0.0, 0.0
    for minutes, busy, used in reversed(HISTORY[host]):
        part = min(minutes, left)
        left, cpu, memory = left - part, cpu + part * busy, memory + part * used
    return cpu / 15, memory / 15


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Exporters and Prometheus apart from the lab's own, with the history."""
    state = tmp_path_factory.mktemp("fleet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "STATE", state)
        for name in ("LOGS", "RUN", "ETC"):
            patch.setattr(settings, name, state / name.lower())
        patch.setattr(settings, "PROMETHEUS_PORT", settings.PROMETHEUS_PORT + 10_000)
        patch.setattr(settings, "EXPORTER_PORT", settings.EXPORTER_PORT + 10_000)
        patch.setattr(metrics, "INTERVAL", 1)
        metrics.configure()
        backfill(state)
        try:
            wanted = [process for process in metrics.processes() if process.name != f"exporter-{STALE}"]
            for process in wanted:
                processes.start(process)
            processes.wait_ready(*wanted)
            wait_for(
                lambda: all(isinstance(seen(host), Utilization) for host in MEASURED), PATIENCE, "samples of all hosts"
            )
            yield
        finally:
            processes.stop(processes.names())


def backfill(state: Path) -> None:
    """Write the history into Prometheus' data, and let the hosts' figures go on where it ends."""
    now = time.time()
    lines: dict[str, list[str]] = {"cpu": [], "available": [], "total": []}
    for host, parts in HISTORY.items():
        counted, moment = Times(), now - 60 * sum(minutes for minutes, _, _ in parts)
        for minutes, cpu, memory in parts:
            load.choose(host, max(cpu, 0), max(memory, 0))
            for _ in range(round(minutes * 60 / EVERY)) if cpu >= 0 else ():
                counted, moment = counted.after(EVERY, cpu), moment + EVERY
                who = f'instance="{host}",job="{metrics.JOB}"'
                for mode, seconds in (("user", counted.busy), ("idle", counted.idle)):
                    lines["cpu"].append(f'node_cpu_seconds_total{{cpu="0",{who},mode="{mode}"}} {seconds} {moment}')
                lines["available"].append(f"node_memory_MemAvailable_bytes{{{who}}} {(1 - memory) * 2**36} {moment}")
                lines["total"].append(f"node_memory_MemTotal_bytes{{{who}}} {2**36} {moment}")
        load.write(host, counted, memory)
    text = ["# TYPE node_cpu_seconds counter", *lines["cpu"]]
    text += ["# TYPE node_memory_MemAvailable_bytes gauge", *lines["available"]]
    text += ["# TYPE node_memory_MemTotal_bytes gauge", *lines["total"], "# EOF"]
    (state / "history").write_text("\n".join(text) + "\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(state / "history"), f"{state}/metrics/data"]
    subprocess.run(command, check=True, capture_output=True)


def source() -> Source:
    return make(Metrics("prometheus", metrics.url(), "instance", 120))


def seen(host: str) -> Utilization | NoData:
    return source().utilization([host])[host]


def why_not(host: str) -> str:
    found = seen(host)
    assert isinstance(found, NoData), found
    return found.why


def ask(query: str) -> dict[str, float]:
    """host → value, from Prometheus itself."""
    answer = requests.get(f"{metrics.url()}/api/v1/query", params={"query": query}, timeout=10).json()
    return {series["metric"]["instance"]: float(series["value"][1]) for series in answer["data"]["result"]}


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("host", MEASURED)
def test_a_hosts_use_is_the_mean_of_the_last_fifteen_minutes(host: str) -> None:
    found = seen(host)
    assert isinstance(found, Utilization), found
    assert (found.cpu, found.memory) == pytest.approx(mean(host), abs=0.03)


@pytest.mark.usefixtures("fleet")
def test_a_host_that_has_been_measured_for_six_minutes_has_no_mean_of_fifteen() -> None:
    assert why_not(SHORT).endswith("of the last 15 minutes, 13 are needed")


@pytest.mark.usefixtures("fleet")
def test_a_silent_host_is_not_believed() -> None:
    assert why_not(STALE).endswith("s old, 120 s are allowed")


@pytest.mark.usefixtures("fleet")
def test_what_is_chosen_for_a_host_is_what_its_exporter_tells() -> None:
    host = settings.REAL_HOSTS[0]
    load.choose(host, 0.75, 0.625)
    idle = 'rate(node_cpu_seconds_total{mode="idle"}[8s])'
    free = "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
    wait_for(lambda: ask(free).get(host) == pytest.approx(0.375, abs=1e-6), PATIENCE, "the memory chosen")
    wait_for(lambda: ask(idle).get(host) == pytest.approx(0.25, abs=0.1), PATIENCE, "the processors' share chosen")


@pytest.mark.usefixtures("fleet")
def test_a_host_whose_exporter_dies_has_no_data_at_once() -> None:
    host = HOME
    [exporter] = [process for process in metrics.processes() if process.name == f"exporter-{host}"]
    processes.stop([exporter.name])
    wait_for(lambda: isinstance(seen(host), NoData), PATIENCE, "its samples end with a mark of staleness")
    assert why_not(host) == "Prometheus has no samples of it"
    processes.start(exporter)
    wait_for(lambda: isinstance(seen(host), Utilization), PATIENCE, "its samples go on")


@pytest.mark.usefixtures("fleet")
def test_processor_times_that_stand_still_are_no_load() -> None:
    """An exporter whose host is frozen tells the same again and again: that is neither idle nor busy."""
    query = QUERIES["cpu"].replace("15m", "3s") % {"label": "instance"}
    processes.stop(["host-load"])
    wait_for(lambda: str(ask(query).get(STEADY)) == "nan", PATIENCE, "no share of no time at all")
    [writer] = [process for process in metrics.processes() if process.name == "host-load"]
    processes.start(writer)
    wait_for(lambda: ask(query).get(STEADY, 2) <= 1, PATIENCE, "they go on")
    found = seen(STEADY)
    assert isinstance(found, Utilization), found
    assert found.cpu == pytest.approx(mean(STEADY)[0], abs=0.03)


# -- policies, with the lab's Nova and Placement -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def groups(clouds_yaml: None) -> Iterator[HostGroups]:
    """With one group, NAME, of all simulated hosts."""
    with host_group(NAME, settings.FAKE_HOSTS) as groups:
        yield groups


@pytest.fixture(scope="module")
def original(admin: Any) -> Iterator[Any]:
    with server_on(admin, NAME, HOME) as server:
        yield server


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("policy", "part"), [("cpu_utilization", 0), ("memory_utilization", 1)])
def test_the_host_with_the_lowest_mean_is_chosen_and_those_without_one_are_left_out(
    groups: HostGroups, original: Any, policy: str, part: int
) -> None:
    groups.update(NAME, {"policy": policy, "without_metrics": "refuse"})
    found = choice(source(), original.id)
    others = sorted(MEASURED[1:], key=lambda host: mean(host)[part])
    assert found.hosts == (*others, HOME), "the original's own host is the last resort"
    refused = {judged.host: judged.reason for judged in found.judged if judged.kind == "no fresh metrics"}
    assert set(refused) == {SHORT, STALE}
    assert refused[SHORT].endswith("13 are needed")
    assert refused[STALE].endswith("120 s are allowed")


@pytest.mark.usefixtures("fleet")
def test_without_the_mean_of_some_all_are_judged_by_the_policy_that_the_group_names(
    admin: Any, groups: HostGroups, original: Any
) -> None:
    groups.update(NAME, {"policy": "cpu_utilization", "without_metrics": "striping"})
    found = choice(source(), original.id)
    on = [server.compute_host for server in admin.compute.servers(all_projects=True)]
    assert found.policy == "striping"
    assert found.hosts[0] == min(settings.FAKE_HOSTS[1:], key=lambda host: (on.count(host), host))
    assert found.note.startswith(f"cpu_utilization cannot judge {SHORT} (it has been measured in ")
    assert STALE in found.note
