"""The soak, printed and written into docs/reliability.md: python -m tests.soak [JOBS] [KILLS] [RESTARTS] [SEED] | hour

So many jobs by 1, 2 and 4 workers on one private PostgreSQL, nudged through a private RabbitMQ; and once more by 4
while workers are killed and the broker is restarted. "hour": as many as one worker does in an hour, which may not grow.
Exits 1 if a job was lost, anything was done twice, or it cost more than it may.
"""

import logging
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine
from tests import document
from tests.db import servers
from tests.soak.broker import broker
from tests.soak.cloud import ANSWER, BUILD
from tests.soak.soak import Load, Told, soak
from tests.soak.worker import NAMES, SETTINGS

WORKERS = (1, 2, 4)
#: What one worker does in an hour, at the speed of the cloud and of its threads.
HOUR = 18_000


def report(told: Sequence[Told], seed: int) -> Iterator[str]:
    yield f"Run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {seed}: jobs of {len(NAMES)} steps, in each worker"
    yield f"{SETTINGS.threads} at a time; a call to the cloud takes {ANSWER} s, a server's making {BUILD:.0f} s."
    yield "Lists are those of one worker in one interval, gets those of one job. Broker away: how often, and how many"
    yield "jobs ended meanwhile. Retried: jobs that three killed workers in a row had in hand, which parks them."
    yield ""
    columns = (
        "workers",
        "killed",
        "broker away",
        "retried",
        "jobs",
        "minutes",
        "jobs/s",
        "of one worker",
        "lists",
        "gets",
        "nudges heard",
    )
    yield f"| {' | '.join((*columns, 'MiB of a worker', '**violations**'))} |"
    yield "|---" * (len(columns) + 2) + "|"
    for each in told:
        memory = ", ".join("→".join(f"{seen:.0f}" for seen in worker) for worker in each.memory)
        away = f"{len(each.away)}: {sum(each.away)} jobs" if each.away else "0"
        jobs = each.load.jobs
        cells = (
            *(str(each.load.workers), str(each.killed), away, str(each.retried), str(jobs)),
            *(f"{each.seconds / 60:.1f}", f"{each.speed:.1f}"),
            *(f"{each.speed / told[0].speed:.2f}", f"{each.lists_each:.2f}", f"{each.gets / jobs:.2f}"),
            *(str(each.nudges), memory, f"**{len(each.violations)}**"),
        )
        yield f"| {' | '.join(cells)} |"


def loads(jobs: int, kills: int, restarts: int) -> Sequence[Load]:
    return (*(Load(jobs, workers) for workers in WORKERS), Load(jobs, WORKERS[-1], kills, restarts))


def main(name: str, loads: Sequence[Load], seed: int) -> int:
    """``name``: where the report belongs in docs/reliability.md."""
    chance = random.Random(seed)  # noqa: S311 - who is killed is no secret
    told: list[Told] = []
    with tempfile.TemporaryDirectory(prefix="liveupdate-soak-") as place, ExitStack() as up:
        folder = Path(place)
        engine = up.enter_context(_database(folder / "database"))
        bus = up.enter_context(broker(folder / "broker"))
        for load in loads:
            cloud = folder / f"cloud-{len(told)}"
            cloud.mkdir()
            told.append(soak(engine, bus, cloud, load, chance))
            written = "\n".join(report(told, seed))
            print(told[-1], *told[-1].violations, sep="\n", flush=True)
            document.write(name, written)
    print(written)
    return 1 if any(each.violations for each in told) else 0


@contextmanager
def _database(folder: Path) -> Iterator[Engine]:
    folder.mkdir()
    with servers.postgresql(folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        yield engine
        engine.dispose()


if __name__ == "__main__":
    # of a broker that is away it would tell for each look at it
    logging.getLogger("oslo.messaging").setLevel(logging.CRITICAL)
    anew = random.SystemRandom().randrange(1 << 32)
    if sys.argv[1:] == ["hour"]:
        sys.exit(main("soak of an hour", [Load(HOUR, 1)], anew))
    given = [int(argument) for argument in sys.argv[1:]]
    *load, seed = (*given, *(2000, 50, 5, anew)[len(given) :])
    sys.exit(main("soak", loads(*load), seed))
