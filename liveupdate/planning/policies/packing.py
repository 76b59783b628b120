"""Fill up: the host with the most servers that has room still; eligibility says when one is full."""

from collections.abc import Mapping

from liveupdate.planning.fleet import HostFacts
from liveupdate.planning.policies.policy import Policy, Score


def score(host: HostFacts, resources: Mapping[str, int]) -> Score:
    return Score(-host.servers, f"{host.servers} servers")


POLICY = Policy("packing", "Most servers, until full", score, counted=True)
