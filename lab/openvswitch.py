"""A host's own Open vSwitch with the userspace datapath, which needs no kernel module."""

import subprocess

from lab import processes
from lab.namespaces import Host
from lab.processes import Process

PACKAGES = ("openvswitch-switch",)
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
#: Where the Neutron agent and os-vif find the database, inside the host.
DATABASE = "tcp:127.0.0.1:6640"
INTEGRATION_BRIDGE = "br-int"
#: Carries the flat provider network; its port d0 leads to the machine's data bridge.
PROVIDER_BRIDGE = "br-lab"

#: A soft reboot gives the guest a new tap under the old name, and Nova does not plug it again. The kernel's datapath
#: would notice; the one in userspace goes on listening to the old tap. What it has open is promiscuous, what is not so
#: must be plugged again.
REPLUG = """\
#!/bin/sh
# libvirt calls this with the guest's name, what happened to it, and its description on standard input
[ "$2" = started ] || exit 0
for tap in $(grep -o "<target dev='tap[^']*'" | cut -d "'" -f 2); do
    port=$({vsctl} --if-exists get Interface "$tap" ofport)
    promiscuous=$(($(cat "/sys/class/net/$tap/flags") & 0x100))
    if [ "${{port:--1}}" != -1 ] && [ "$port" != "[]" ] && [ $promiscuous = 0 ]; then
        identity=$({vsctl} get Interface "$tap" external_ids)
        {vsctl} del-port {bridge} "$tap"
        {vsctl} add-port {bridge} "$tap" -- set Interface "$tap" "external_ids=$identity"
    fi
done
"""

#: libvirt and the switch change a new tap's flags at the same time, each after a look at them: now and then
#: "promiscuous" wins over "up", and the guest is deaf for good. No tap of this host is ever meant to be down. All are
#: looked at now and then, too: the monitor does not tell of what happened before it listened.
KEEP_UP = """\
{ while ip -o link show; do sleep 5; done & ip -o monitor link; } | while read -r _ name flags _; do
    case "$name $flags" in
        tap*UP*) ;;
        tap*) ip link set "${name%%[:@]*}" up 2> /dev/null ;;
    esac
done
"""


def up(host: Host) -> None:
    """The host's switch with both bridges. Namespaces must be up."""
    home = host.home / "openvswitch"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "conf.db").exists():
        subprocess.run(["ovsdb-tool", "create", str(home / "conf.db"), SCHEMA], check=True, capture_output=True)
    database, switch = daemons(host)
    processes.start(database)
    processes.wait_ready(database)
    _vsctl(host, "--no-wait", "init")
    # segmentation offload must be decided before the switch starts: without it TCP between guests stalls
    identity = (f"external_ids:system-id={host.name}", f"external_ids:hostname={host.name}")
    _vsctl(host, "--no-wait", "set", "Open_vSwitch", ".", "other_config:userspace-tso-enable=true", *identity)
    processes.start(switch)
    processes.start(keep_taps_up(host))
    processes.wait_ready(switch)
    for bridge in (INTEGRATION_BRIDGE, PROVIDER_BRIDGE):
        _vsctl(host, "--may-exist", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")
    _vsctl(host, "--may-exist", "add-port", PROVIDER_BRIDGE, "d0")


def daemons(host: Host) -> list[Process]:
    home = host.home / "openvswitch"
    return [
        Process(
            name=f"{host.name}-ovsdb",
            argv=host.enter(
                *("ovsdb-server", str(home / "conf.db"), "--verbose=console:warn"),
                *(f"--remote=punix:{home}/db.sock", "--remote=ptcp:6640:127.0.0.1"),
                f"--unixctl={home}/ovsdb.ctl",
            ),
            env=environment(host),
            ready=lambda: _answers(host, "ovsdb"),
        ),
        Process(
            name=f"{host.name}-vswitchd",
            argv=host.enter(
                *("ovs-vswitchd", f"unix:{home}/db.sock", "--verbose=console:warn"),
                *("--disable-system", f"--unixctl={home}/vswitchd.ctl"),
            ),
            env=environment(host),
            ready=lambda: _answers(host, "vswitchd"),
        ),
    ]


def keep_taps_up(host: Host) -> Process:
    return Process(name=f"{host.name}-taps", argv=host.enter("sh", "-c", KEEP_UP))


def environment(host: Host) -> dict[str, str]:
    """For every program of the host that calls ovs-vsctl: where this host's switch is."""
    home = str(host.home / "openvswitch")
    return {"OVS_RUNDIR": home, "OVS_DBDIR": home, "OVS_LOGDIR": home}


def replug(host: Host) -> str:
    """libvirt's hook for guests that start, a shell script."""
    return REPLUG.format(vsctl=" ".join(_client(host)), bridge=INTEGRATION_BRIDGE)


def _answers(host: Host, daemon: str) -> bool:
    control = host.home / "openvswitch" / f"{daemon}.ctl"
    return subprocess.run(["ovs-appctl", "-t", str(control), "version"], capture_output=True).returncode == 0


def _vsctl(host: Host, *arguments: str) -> None:
    subprocess.run([*_client(host), *arguments], check=True, capture_output=True)


def _client(host: Host) -> list[str]:
    return ["ovs-vsctl", f"--db=unix:{host.home}/openvswitch/db.sock", "--timeout=20"]
