"""``openstack live update job report``"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from liveupdate.osc.plugin import client
from liveupdate.osc.v1.columns import Fields, Lines, Parts, each, said
from liveupdate.osc.v1.job import OneJob, Shown
from liveupdate.osc.v1.problems import told


class ReportJob(OneJob):
    """Show what a job did: blackout, steps, packages, resources"""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with told():
            report = client(self).job_part(parsed_args.job, "report")
        return tuple(report), tuple(_shown(name, value) for name, value in report.items())


def _shown(name: str, value: Any) -> Any:
    if name in _COLUMNS:
        return _COLUMNS[name](value)
    if isinstance(value, list):
        return Parts(value)
    return Fields(value) if isinstance(value, dict) else value


class _Resources(Lines):
    def lines(self) -> Iterator[str]:
        for state in ("created", "deleted", "kept", "leftovers"):
            named = ", ".join(f"{line['kind']} {line['role']}" for line in self._value[state])
            yield f"{state}: {len(self._value[state])}" + (f" ({named})" if named else "")


def _unit(part: Mapping[str, Any]) -> str:
    return f"{part['name']}: {part['handover']}" + (f" ({part['reason']})" if part["reason"] else "")


def _blackout(part: Mapping[str, Any]) -> str:
    measured = f", measured by the {part['measured_by']}: {part['how']}" if part["measured_by"] else ""
    ms, estimate = _seconds(part["ms"]), _seconds(part["estimate_ms"])
    return f"{ms} until the {part['serves']} served, estimated {estimate}{measured}"


def _seconds(milliseconds: float | None) -> str:
    return "unknown" if milliseconds is None else f"{milliseconds / 1000:.2f} s"


def _step(part: Mapping[str, Any]) -> str:
    return f"{part['id']}: {part['state']}" + ("" if part["seconds"] is None else f", {part['seconds']:.1f} s")


def _volume(part: Mapping[str, Any]) -> str:
    until = f" until {part['kept_until'][:19]}" if part["kept_until"] else ""
    return f"{part['kind']} {part['role']}: {part['size']} GiB, {part['state']}{until}"


def _handover(part: Mapping[str, Any]) -> str:
    return f"{part['volume_id']}: {said({k: v for k, v in part.items() if k != 'volume_id'})}"


_COLUMNS: Mapping[str, type[Lines]] = {
    "units": each(_unit),
    "blackouts": each(_blackout),
    "timeline": each(lambda moment: f"{_seconds(moment['ms'])}: {moment['name']}"),
    "steps": each(_step),
    "volumes": each(_volume),
    "handovers": each(_handover),
    "package_changes": each(lambda p: f"{p['name']}: {p['before'] or 'none'} → {p['after'] or 'none'}"),
    "resources": _Resources,
}
