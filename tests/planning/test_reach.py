"""A host that does not reach the server's networks or volumes is told; one of which nothing is known is not refused."""

from dataclasses import replace

import pytest

from liveupdate.drivers.cloud.network_agents import NetworkAgent
from liveupdate.planning import reach
from liveupdate.planning.eligibility import Need, refuse
from liveupdate.planning.fleet import HostFacts
from liveupdate.planning.groups import HostGroup, Rules

OVS = "Open vSwitch agent"
HOME = NetworkAgent("home", OVS, alive=True, physical=frozenset({"blue", "red"}))


def unwired(*others: NetworkAgent, home: NetworkAgent = HOME) -> dict[str, str]:
    return dict(reach.unwired([home, *others], "home", ["home", "away"], {"blue"}))


@pytest.mark.parametrize(
    ("away", "why"),
    [
        (NetworkAgent("away", OVS, alive=True, physical=frozenset({"blue"})), ""),
        (NetworkAgent("away", OVS, alive=True, physical=frozenset({"green"})), "it is not wired to blue"),
        (NetworkAgent("away", OVS, alive=False, physical=frozenset({"blue"})), "its network agent is down"),
        (NetworkAgent("away", "DHCP agent", alive=True), "it has no network agent"),
    ],
)
def test_a_host_needs_a_live_agent_and_the_servers_physical_networks(away: NetworkAgent, why: str) -> None:
    assert unwired(away) == ({"away": why} if why else {})


@pytest.mark.parametrize("home", [replace(HOME, host="elsewhere"), replace(HOME, type="L3 agent")])
def test_where_the_servers_own_host_shows_no_agent_nobody_is_refused(home: NetworkAgent) -> None:
    assert unwired(home=home) == {}


def test_an_agent_that_does_not_tell_its_wiring_is_not_held_against_others() -> None:
    away = NetworkAgent("away", OVS, alive=True)
    assert unwired(away, home=replace(HOME, physical=frozenset())) == {}


@pytest.mark.parametrize(
    ("zones", "wanted"), [([], ""), (["az1"], "az1"), (["az1", "az1"], "az1"), (["nova"], ""), (["az1", "nova"], "")]
)
def test_volumes_bind_to_a_zone_unless_the_server_shows_that_they_do_not(zones: list[str], wanted: str) -> None:
    assert reach.volumes_zone("az1", zones) == wanted


def test_the_verdict_names_what_is_out_of_reach() -> None:
    need = Need("server", "home", unwired={"away": "it is not wired to blue"}, volumes_zone="az1")
    group = HostGroup("default", Rules(), hosts=("away",))
    far = refuse(need, HostFacts("away", zone="az2"), group)
    near = refuse(need, HostFacts("away", zone="az1"), group)
    assert far is not None
    assert near is not None
    assert "az2" in far.told
    assert near.told == "out of the networks' reach: it is not wired to blue"
