"""The hosts of a cloud in memory: with their aggregates, and what Placement says of them. See cloud.py."""

from collections.abc import Mapping
from dataclasses import replace

from liveupdate.drivers.cloud.aggregates import Aggregate
from liveupdate.drivers.cloud.hosts import Host
from liveupdate.drivers.cloud.placement import Amount, Stock
from liveupdate.errors import Failed, Retry
from liveupdate.testing.verbs import Verbs

PLENTY = Stock({name: (Amount(1 << 20, 0, 1.0, 0),) for name in ("VCPU", "MEMORY_MB", "DISK_GB")}, frozenset())


class Hosts(Verbs):
    def list(self, with_servers: bool = False) -> list[Host]:
        servers = self.world.servers.values() if with_servers else ()
        return [replace(h, servers=tuple(s.id for s in servers if s.host == h.name)) for h in self.world.hosts]


class Aggregates(Verbs):
    def list(self) -> list[Aggregate]:
        return list(self.world.aggregates.values())

    def create(self, name: str) -> int:
        def work() -> int:
            if any(a.name == name for a in self.world.aggregates.values()):
                raise Retry(3.0, f"aggregate {name} exists", code="live-update.cloud.conflict")
            made = Aggregate(len(self.world.aggregates) + 1, name, (), {})
            self.world.aggregates[made.id] = made
            return made.id

        return int(self._do("create_aggregate", work))

    def set_metadata(self, aggregate_id: int, metadata: Mapping[str, str]) -> None:
        def work() -> None:
            found = self.world.aggregates[aggregate_id]
            self.world.aggregates[aggregate_id] = replace(found, metadata={**found.metadata, **metadata})

        self._do("set_aggregate_metadata", work)

    def add_host(self, aggregate_id: int, host: str) -> None:
        def work() -> None:
            if host not in {h.name for h in self.world.hosts}:
                raise Failed(f"no host {host}", code="live-update.cloud.not-found")
            found = self.world.aggregates[aggregate_id]
            self.world.aggregates[aggregate_id] = replace(found, hosts=(*found.hosts, host))

        self._do("add_host", work)

    def remove_host(self, aggregate_id: int, host: str) -> None:
        def work() -> None:
            found = self.world.aggregates[aggregate_id]
            self.world.aggregates[aggregate_id] = replace(found, hosts=tuple(h for h in found.hosts if h != host))

        self._do("remove_host", work)

    def delete(self, aggregate_id: int) -> None:
        self._do("delete_aggregate", lambda: self.world.aggregates.pop(aggregate_id, None))


class Placement(Verbs):
    """Hosts that World.stocks does not name have plenty."""

    def offers(self, query: Mapping[str, str]) -> dict[str, Stock]:
        asked = {name: int(n) for name, _, n in (part.partition(":") for part in query["resources"].split(","))}
        stocks = {host.provider_id: self.stock(host.provider_id) for host in self.world.hosts}
        return {p: s for p, s in stocks.items() if all(_free(s, name) >= n for name, n in asked.items())}

    def stock(self, provider_id: str) -> Stock:
        return self.world.stocks.get(provider_id, PLENTY)


def _free(stock: Stock, name: str) -> int:
    return sum(int((a.total - a.reserved) * a.ratio) - a.used for a in stock.amounts.get(name, ()))
