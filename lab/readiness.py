"""Waits until every host reports to Nova and Neutron and every volume back end to Cinder.

Runs in the lab's environment: python -m lab.readiness <host>…
"""

import sys
import time
from typing import Any

import openstack

from lab import processes
from lab.settings import PATIENCE

BACKENDS = {"lab@ceph", "lab@iscsi", "lab@nfs"}


def main() -> None:
    hosts = set(sys.argv[1:])
    cloud = openstack.connect(cloud="admin")
    deadline = time.monotonic() + PATIENCE
    while missing := _missing(cloud, hosts):
        for name in processes.dead():
            sys.exit(f"{name} died; the end of {processes.log_file(name)}:\n{processes.tail(name)}")
        if time.monotonic() > deadline:
            sys.exit(f"not ready after {PATIENCE:.0f} s: {missing}")
        time.sleep(0.3)


def _missing(cloud: Any, hosts: set[str]) -> str:
    """What does not report yet, in words; empty: nothing."""
    try:
        computes = {s.host for s in cloud.compute.services(binary="nova-compute") if s.state == "up"}
        agents = {agent.host for agent in cloud.network.agents() if agent.is_alive}
        backends = {s.host for s in cloud.block_storage.services(binary="cinder-volume") if s.state == "up"}
        providers = {provider.name for provider in cloud.placement.resource_providers()}
    except openstack.exceptions.SDKException as error:
        return str(error)
    missing = {
        "nova-compute": hosts - computes,
        "network agent": hosts - agents,
        "inventory": hosts - providers,
        "back end": BACKENDS - backends,
    }
    return "; ".join(f"{what} of {', '.join(sorted(which))}" for what, which in missing.items() if which)


if __name__ == "__main__":
    main()
