"""Look whether the update can be done, and gather what the later steps need. Changes nothing; also serves previews.

The cloud is asked first; the guest only if the server is running and its ssh host key is known. In a job a
finding of verdict block is a failure; a preview just tells it.
"""

from dataclasses import replace
from typing import Any

from liveupdate.drivers.cloud import host_keys
from liveupdate.errors import GuestError
from liveupdate.model import Finding, JobKind, Json, Verdict
from liveupdate.planning import (
    boot_set,
    capture_findings,
    disk_findings,
    estimate,
    guest_findings,
    inside,
    intent,
    package_findings,
    paths,
    units,
)
from liveupdate.planning.checks import worst
from liveupdate.planning.cloud_findings import CloudFacts, judge
from liveupdate.steps import mirror_set
from liveupdate.steps.checking import concluded, own_server
from liveupdate.steps.making_room import way_to_room
from liveupdate.steps.place import outlook_of
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.server_facts import describe

#: Server metadata in which an owner names the units of the workload: "kv.service,web.service".
UNITS = "liveupdate:units"


def probe(context: StepContext) -> Probe:
    """Facts grow old: they are gathered anew."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    cloud, server = context.service_cloud(), own_server(context)
    host_key = host_keys.pinned(cloud, server)
    result: dict[str, Any] = {"server": describe(cloud, server), "host_key": host_key, "guest": {}, "units": []}
    facts, wishes = _facts(context, result), intent.judge(intent.words(result["server"]))
    findings = judge(facts) + wishes
    if worst(findings) != Verdict.BLOCK:
        seen = _look_into_guest(context, result)
        if len(boot_set.members(result["server"]["volumes"])) > 1:
            # the guest has told of more volumes than the cloud: they cost more
            findings = judge(replace(facts, **_storage(context, result["server"]))) + wishes
        findings += seen
    told = concluded(context, findings)
    if context.job.kind == JobKind.UPDATE and intent.action(intent.words(result["server"])) == intent.Action.NOTIFY:
        context.event("owner.notify", server_id=server.id, verdict=told["verdict"])
    return result | told


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def _facts(context: StepContext, result: dict[str, Any]) -> CloudFacts:
    """Fills in placement and minimum_paths."""
    cloud, parameters = context.service_cloud(), context.job.parameters
    # what other jobs hold for minutes is no reason to refuse: place waits for it
    outlook = outlook_of(context, {})
    choice, way = outlook.choice, way_to_room(cloud, outlook)
    result["minimum_paths"] = paths.demanded(outlook.group, parameters)
    result["placement"] = choice.summary() | {"moves": [move.as_json() for move in way.moves]}
    return CloudFacts(
        server=result["server"],
        quota_left=cloud.quotas.left(context.job.project_id),
        hosts=choice.hosts or ((way.host,) if way.moves else ()),
        why_not=way.why_not,
        minimum_paths=result["minimum_paths"],
        moves=[f"{move.name} from {move.origin} to {move.target}" for move in way.moves],
        host_key=result["host_key"],
        fallback_data_volumes=parameters.get("fallback_data_volumes", False),
        **_storage(context, result["server"]),
    )


def _storage(context: StepContext, server: Json) -> dict[str, Any]:
    """What is asked of Cinder besides the usual: fields of CloudFacts."""
    cloud, parameters = context.service_cloud(), context.job.parameters
    facts: dict[str, Any] = {}
    if parameters.get("fallback") == "backup":
        facts["backup_offered"] = cloud.backups.offered()
    if name := parameters.get("mirror_volume_type"):
        facts |= {"mirror_type_name": name, "mirror_type": cloud.volume_types.find(name)}
    kinds = {v["type"] for v in boot_set.members(server["volumes"]) if v["type"] and (name or v["encrypted"])}
    return facts | {"boot_types": {kind: cloud.volume_types.find(kind) for kind in sorted(kinds)}}


def _look_into_guest(context: StepContext, result: dict[str, Any]) -> list[Finding]:
    """Fill in guest, units and estimate_ms; a guest that cannot be looked into is a finding, not an error."""
    guest, wanted = context.guest("original"), context.job.parameters.get("units") or []
    metadata = intent.words(result["server"])
    try:
        seen = guest.oneshot("inspect", {})
        names = units.candidates(seen, wanted, metadata.get(UNITS, ""))
        trials = {}
        for name in names:
            context.checkpoint()
            trials[name] = guest.oneshot("trial", {"unit": name})
        simulated = guest.run(package_findings.SIMULATE, timeout=180, check=False)
        guest.remove_agent()
    except GuestError as error:
        return [Finding(error.code, Verdict.BLOCK, error.detail, error.remedy or "see that ssh to the server works")]
    result["server"]["volumes"] = boot_set.decide(result["server"]["volumes"], seen)
    volumes, budget = result["server"]["volumes"], intent.budget(metadata, context.job.parameters)
    decided = units.decide(seen, trials, intent.asked(metadata, names, wanted))
    parameters, running, output = context.job.parameters, str(seen.get("kernel", "")), simulated.stdout
    result |= {
        "guest": seen,
        "units": decided,
        "estimate_ms": estimate.blackout_ms(decided, trials, volumes),
        "kernel": package_findings.chosen(output, parameters.get("kernel"), running),
    }
    return [
        *guest_findings.judge(seen, trials, decided, volumes, {**parameters, "blackout_budget_seconds": budget}),
        *intent.not_moved(metadata, decided),
        *disk_findings.judge(seen, result["server"]),
        boot_set.planned(volumes, _for_several(context)),
        *inside.judge(result["server"], seen, result["minimum_paths"]),
        *package_findings.judge(simulated.code, output + simulated.stderr, parameters, running),
        *capture_findings.wished(parameters, result["server"], seen),
    ]


def _for_several(context: StepContext) -> bool:
    """A preview is of what would be accepted now."""
    planned = {spec.step for spec in context.job.plan.steps}
    return context.job.kind == JobKind.PREVIEW or mirror_set.STEP.name in planned


STEP = Step("preflight", "Check the server, its guest and the cloud", probe, apply, undo)
