"""The soak, printed and written into docs/reliability.md: python -m tests.soak [JOBS] [KILLS] [SEED]

So many jobs by 1, 2 and 4 workers on one private PostgreSQL, and once more by 4 while workers are killed. Exits 1 if a
job was lost, or anything was done twice.
"""

import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine
from tests import document
from tests.db import servers
from tests.soak.cloud import ANSWER, BUILD
from tests.soak.crowd import Told, soak
from tests.soak.worker import NAMES, SETTINGS

WORKERS = (1, 2, 4)


def report(told: Sequence[Told], seed: int) -> Iterator[str]:
    yield f"Run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {seed}: jobs of {len(NAMES)} steps, in each worker"
    yield f"{SETTINGS.threads} at a time; a call to the cloud takes {ANSWER} s, a server's making {BUILD:.0f} s."
    yield "Lists are those of one worker in one interval, gets those of one job."
    yield ""
    yield "| workers | killed | jobs | jobs/s | of one worker | lists | gets | MiB of a worker | **violations** |"
    yield "|---" * 9 + "|"
    for each in told:
        memory = ", ".join(f"{begin:.0f}→{end:.0f}" for begin, end in each.memory)
        cells = (
            *(str(each.workers), str(each.kills), str(each.jobs), f"{each.speed:.1f}"),
            *(f"{each.speed / told[0].speed:.2f}", f"{each.lists_each:.2f}", f"{each.gets / each.jobs:.2f}"),
            *(memory, f"**{len(each.violations)}**"),
        )
        yield f"| {' | '.join(cells)} |"


def main(jobs: int, kills: int, seed: int) -> int:
    chance = random.Random(seed)  # noqa: S311 - who is killed is no secret
    told: list[Told] = []
    with tempfile.TemporaryDirectory(prefix="liveupdate-soak-") as folder, servers.postgresql(Path(folder)) as url:
        engine = open_engine(url)
        upgrade(engine)
        for workers, struck in (*((workers, 0) for workers in WORKERS), (WORKERS[-1], kills)):
            place = Path(folder) / f"cloud-{len(told)}"
            place.mkdir()
            told.append(soak(engine, place, jobs, workers, struck, chance))
            written = "\n".join(report(told, seed))
            print(told[-1], flush=True)
            document.write("soak", written)
        engine.dispose()
    print(written)
    return 1 if any(each.violations for each in told) else 0


if __name__ == "__main__":
    defaults = (2000, 50, random.SystemRandom().randrange(1 << 32))
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*given, *defaults[len(given) :]))
