"""Host groups, made and changed as host aggregates: nothing of them is in our database."""

from dataclasses import asdict, replace
from typing import Any

from liveupdate.drivers.cloud import Cloud
from liveupdate.drivers.cloud.aggregates import Aggregate
from liveupdate.errors import Conflict, NotFound, Retry
from liveupdate.planning import groups
from liveupdate.planning.groups import DEFAULT, DEFAULT_AGGREGATE, HostGroup, Rules


class HostGroups:
    """``cloud``: the service user's. Raises LiveUpdateError for what the cloud does not answer."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def list(self) -> tuple[HostGroup, ...]:
        return groups.read(self._cloud.aggregates.list(), [host.name for host in self._cloud.hosts.list()])

    def get(self, name: str) -> HostGroup:
        """Raises NotFound."""
        return groups.find(self.list(), name)

    def create(self, name: str, rules: Rules) -> HostGroup:
        """Raises Conflict for a name that is taken, be it by an aggregate that is no group."""
        if name in (DEFAULT, DEFAULT_AGGREGATE):
            raise Conflict(f"host group {name!r} exists always", code="live-update.host-group.exists")
        there = next((a for a in self._cloud.aggregates.list() if a.name == name), None)
        if there is not None and not _abandoned(there):
            raise Conflict(
                f"a host aggregate {name!r} exists",
                code="live-update.host-group.exists",
                remedy="choose another name",
            )
        self._write(there.id if there else self._make(name), rules)
        return self.get(name)

    def update(self, name: str, changes: dict[str, Any]) -> HostGroup:
        """``changes`` are fields of Rules."""
        group = self.get(name)
        aggregate_id = group.aggregate_id
        if aggregate_id is None:
            aggregate_id = self._make(DEFAULT_AGGREGATE)
        self._write(aggregate_id, replace(group.rules, **changes))
        return self.get(name)

    def delete(self, name: str) -> None:
        """Raises Conflict for the default group, and for one that has hosts."""
        group = self.get(name)
        if name == DEFAULT or group.aggregate_id is None:
            raise Conflict("the default host group holds the rest: it stays", code="live-update.host-group.is-default")
        if group.hosts:
            raise Conflict(
                f"host group {name} has hosts: {', '.join(group.hosts)}",
                code="live-update.host-group.not-empty",
                remedy="remove its hosts first",
            )
        self._cloud.aggregates.delete(group.aggregate_id)

    def add_host(self, name: str, host: str) -> HostGroup:
        """Nothing happens if it is in it already. Raises Conflict naming the other group, if it is in one."""
        every = self.list()
        group = _own(every, name)
        if not any(host in each.hosts for each in every):
            raise NotFound(f"there is no host {host!r}", code="live-update.host.not-found")
        if host in group.hosts:
            return group
        _in_no_other(every, name, host)
        self._cloud.aggregates.add_host(_id(group), host)
        every = self.list()
        try:
            # somebody may have put it into another one at the same time
            _in_no_other(every, name, host)
        except Conflict:
            self._cloud.aggregates.remove_host(_id(group), host)
            raise
        return groups.find(every, name)

    def remove_host(self, name: str, host: str) -> HostGroup:
        """It falls back to the default group. Raises NotFound if it is not in this one."""
        group = _own(self.list(), name)
        if host not in group.hosts:
            raise NotFound(f"host {host!r} is not in host group {name}", code="live-update.host.not-found")
        self._cloud.aggregates.remove_host(_id(group), host)
        return self.get(name)

    def _make(self, name: str) -> int:
        try:
            return self._cloud.aggregates.create(name)
        except Retry as error:
            if error.code != "live-update.cloud.conflict":
                raise
            raise Conflict(f"a host aggregate {name!r} exists", code="live-update.host-group.exists") from error

    def _write(self, aggregate_id: int, rules: Rules) -> None:
        self._cloud.aggregates.set_metadata(aggregate_id, groups.metadata(rules))


def view(group: HostGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "default": group.name == DEFAULT,
        **asdict(group.rules),
        "hosts": list(group.hosts),
        "faults": list(group.faults),
        "links": [{"rel": "self", "href": f"/v1/host-groups/{group.name}"}],
    }


def _own(every: tuple[HostGroup, ...], name: str) -> HostGroup:
    """One that hosts can be put into, and taken out of."""
    if name == DEFAULT:
        raise Conflict(
            "the default host group holds the hosts that are in no other",
            code="live-update.host-group.is-default",
            remedy="add the host to another group, or remove it from that",
        )
    return groups.find(every, name)


def _abandoned(aggregate: Aggregate) -> bool:
    """One of ours whose making was cut short, as far as can be seen: nothing is in it."""
    return not aggregate.hosts and not aggregate.metadata


def _id(group: HostGroup) -> int:
    assert group.aggregate_id is not None  # noqa: S101 - only the default group may have none
    return group.aggregate_id


def _in_no_other(every: tuple[HostGroup, ...], name: str, host: str) -> None:
    others = [other for other in groups.of_host(every, host) if other not in (name, DEFAULT)]
    if others:
        raise Conflict(
            f"host {host} is in host group {', '.join(others)}",
            code="live-update.host-group.host-taken",
            remedy=f"remove it there first: openstack live update host group remove host {others[0]} {host}",
        )
