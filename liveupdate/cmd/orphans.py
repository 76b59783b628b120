"""liveupdate-manage orphans: prints what is found, and what is done about it."""

import sys
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Engine

from liveupdate.drivers.cloud import Clouds
from liveupdate.engine import orphans
from liveupdate.errors import LiveUpdateError
from liveupdate.plain import plain
from liveupdate.planning.orphans import Fate, Verdict
from liveupdate.settings import Settings

#: What is done of it, by command.
_DOES = {"adopt": Fate.ADOPT, "remove": Fate.REMOVE}


def run(settings: Settings, engine: Engine, action: str, *, apply: bool) -> int:
    """``action``: list, adopt or remove. 0 if all that was to be done is done."""
    cloud = Clouds(settings.cloud.name).watcher()
    verdicts = orphans.look(engine, cloud)
    wanted = [v for v in verdicts if action == "list" or v.fate == _DOES[action]]
    if not apply or action == "list":
        _show(wanted)
        _sum_up(verdicts)
        return 0
    done: dict[str, Callable[[], Iterator[tuple[Verdict, LiveUpdateError | None]]]] = {
        "adopt": lambda: orphans.adopt(engine, verdicts),
        "remove": lambda: orphans.remove(cloud, verdicts),
    }
    blocked = 0
    for verdict, error in done[action]():
        print(f"{_what(verdict)}: {'done' if error is None else 'blocked'}", flush=True)
        if error is not None:
            blocked += 1
            print(f"  {error.detail}\n  {error.remedy or 'see to what keeps it; then repeat'}", file=sys.stderr)
    _show([v for v in verdicts if v.fate == Fate.STAYS])
    print(f"{blocked} blocked")
    return 1 if blocked else 0


def _show(verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        print(f"{verdict.fate} {_what(verdict)}: {verdict.why}")
        if verdict.remedy:
            print(f"  {verdict.remedy}")


def _what(verdict: Verdict) -> str:
    s = verdict.sighting
    # a mark may be anybody's writing
    return f"{s.kind} {s.cloud_id}" + (f" ({plain(s.role, 64)} of job {s.job_id})" if s.job_id else "")


def _sum_up(verdicts: Sequence[Verdict]) -> None:
    counts = {fate: sum(v.fate == fate for v in verdicts) for fate in Fate}
    print(f"{len(verdicts)} orphans: {counts[Fate.ADOPT]} to adopt, {counts[Fate.REMOVE]} to remove, "
          f"{counts[Fate.STAYS]} to look at")  # fmt: skip
