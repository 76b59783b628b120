"""liveupdate-worker: drives jobs. SIGTERM: finish or park what is in hand, give the leases back, stop."""

import signal
import sys
from collections.abc import Sequence
from threading import Thread

from liveupdate.cmd.assembly import serving_figures, teller
from liveupdate.cmd.assembly import worker as assemble
from liveupdate.cmd.program import begin
from liveupdate.db.session import open_engine
from liveupdate.messaging import nudge


def main(argv: Sequence[str] | None = None) -> int:
    settings = begin("liveupdate-worker", "Drive live-update jobs.", argv)
    engine = open_engine(settings.database)
    worker, telling = assemble(settings, engine), teller(settings, engine)
    for number in (signal.SIGTERM, signal.SIGINT):
        # a thread: what the signal has interrupted may hold the lock that stop wants
        signal.signal(number, lambda *_: Thread(target=worker.stop).start())
    listener = nudge.Listener(settings.transport_url, worker.owner, worker.nudged.set)
    telling.start()
    try:
        with serving_figures(settings, engine):
            worker.run()
    finally:
        telling.stop()
        listener.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
