"""Spread: the host with the fewest servers."""

from collections.abc import Mapping

from liveupdate.planning.fleet import HostFacts
from liveupdate.planning.policies.policy import Policy, Score


def score(host: HostFacts, resources: Mapping[str, int]) -> Score:
    return Score(host.servers, f"{host.servers} servers")


POLICY = Policy("striping", "Fewest servers", score, counted=True)
