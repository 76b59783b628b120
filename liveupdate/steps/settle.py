"""The new server becomes what the old one was, but for its id; what was before it is kept as a fallback, for its days.

Names, metadata, tags and what dies with the server; the ledger shows nothing else left. After the pivot, hence no
undo; every part looks before it acts, so that the whole may be repeated from any point.
"""

from liveupdate.model import Json
from liveupdate.steps import fallback
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.provision import ROLE
from liveupdate.steps.replacement import REPLACES, take_volume
from liveupdate.steps.resources import prove_nothing_left


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    server_id, instead = context.result("provision")["server_id"], context.result("mirror")["instead"]
    original, servers = context.result("preflight")["server"], context.user_cloud().servers
    servers.set_metadata(server_id, original["metadata"] | {REPLACES: original["id"]})
    dies = {instead.get(v["id"], v["id"]): v["delete_on_termination"] for v in original["volumes"]}
    for volume in servers.volumes(server_id):
        if dies.get(volume.volume_id, False) != volume.delete_on_termination:
            servers.set_delete_on_termination(server_id, volume.volume_id, not volume.delete_on_termination)
    for volume in original["volumes"]:
        if volume["id"] in instead:
            take_volume(context, server_id, volume)
    # the job's own mark is one of the tags: it goes last, since the server is looked up by it
    servers.set_tags(server_id, original["tags"])
    if line := context.ledger.find("server", ROLE):
        context.ledger.kept(line)
    fallback.finish(context)
    return prove_nothing_left(context)


def undo(context: StepContext) -> None:
    """After the pivot there is only forward."""


STEP = Step("settle", "Give the server its identity", probe, apply, undo, attempts=10)
