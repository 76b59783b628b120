"""The guard's shell: a systemd generator, and what it has systemd run. Small POSIX sh; its lists lie beside it.

The generator runs before systemd loads any unit, and again at every daemon-reload.
"""

from __future__ import annotations

from . import places, units

_GENERATOR = """\
#!/bin/sh
# Written by liveupdate for the time of an update. $2: units here win over all others.
G={guard} E={expecting}
read -r here < {uuid}
read -r original < $G/original
[ "$here" = "$original" ] && [ ! -e $G/away ] && exit 0
nothing() {{ mkdir -p "${{1%/*}}" && ln -sf /dev/null "$1"; }}
mask() {{ while read -r unit; do nothing "$1/$unit"; done < "$2"; }}
mask "$2" $G/always
if [ ! -e $G/here ]; then
  mask "$2" $G/periodic
  [ -e $E ] || mask "$2" $G/units
  while read -r mount; do
    # who needs it must not fail for its absence: without local-fs.target even the root stays read-only
    for target in local-fs remote-fs; do
      for need in requires wants; do nothing "$2/$target.target.$need/$mount"; done
    done
    if [ -e $E ]; then
      # a move to this machine mounts it itself, and nobody else before that: elsewhere it is still written to
      mkdir -p "$2/$mount.d"
      printf '{keep_away}' > "$2/$mount.d/liveupdate-guard.conf"
    else
      nothing "$2/$mount"
    fi
  done < $G/mounts
fi
cat > "$2/liveupdate-guard.service" <<EOF
[Unit]
Description=The one address of a machine that is being updated
DefaultDependencies=no
After=systemd-udevd.service
Before=network.target network-online.target systemd-resolved.service ssh.service sshd.service
Conflicts=shutdown.target
Before=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $G/network $here
EOF
for target in sysinit network; do
  mkdir -p "$2/$target.target.wants"
  ln -sf ../liveupdate-guard.service "$2/$target.target.wants/liveupdate-guard.service"
done
/bin/sh $G/pids $here
exit 0
"""
_PIDS = """\
# $1: the UUID of this machine. Processes come here with the PIDs they have: its own stay out of their way.
read -r base original other < {guard}/bases
[ "$1" = "$original" ] && base=$other
read -r last < /proc/sys/kernel/ns_last_pid
[ "$last" -ge "$base" ] && exit 0
echo {maximum} > /proc/sys/kernel/pid_max
echo "$base" > /proc/sys/kernel/ns_last_pid
"""
_NETWORK = """\
# $1: the UUID of this machine
G={guard}
/bin/sh $G/pids $1
put() {{ # mac address/prefix mtu gateway, the last two may be -
  for n in $(seq 600); do
    for i in /sys/class/net/*/; do
      read -r mac < $i/address && read -r index < $i/ifindex || continue
      # udev renames it first: later, when it is up, it could not
      if [ "$mac" = "$1" ] && [ -e /run/udev/data/n$index ]; then
        i=$(basename $i)
        [ "$3" = - ] || ip link set "$i" mtu "$3"
        ip link set "$i" up
        ip address replace "$2" dev "$i"
        [ "$4" = - ] || ip route replace default via "$4" dev "$i"
        return
      fi
    done
    sleep 0.1
  done
}}
while read -r whose rest; do
  if [ "$whose" = "$1" ] || {{ [ "$whose" = copy ] && ! grep -q "^$1 " $G/addresses; }}; then put $rest; fi
done < $G/addresses
if [ -e $G/here ]; then while read -r line; do put $line; done < $G/here; fi
while read -r network gateway; do ip route replace "$network" via "$gateway"; done < $G/routes
# nobody else is there to tell the name servers
mkdir -p /run/systemd/resolved.conf.d
{{ echo '[Resolve]'; sed 's/^/DNS=/' $G/dns; }} > /run/systemd/resolved.conf.d/liveupdate-guard.conf
file=$(readlink -m /etc/resolv.conf)
case $file in /run/*)
  mkdir -p "${{file%/*}}"
  [ -s "$file" ] || sed 's/^/nameserver /' $G/dns > "$file";;
esac
"""
_DISK = """\
# $1: a disk that has come, $2: its serial numbers. One that another machine may be writing to is read-only here.
G={guard}
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -e $G/here ] && exit 0
read -r here < {uuid}
read -r original < $G/original
[ "$here" = "$original" ] && [ ! -e $G/away ] && exit 0
while read -r serial; do
  case "$2" in *"$serial"*) blockdev --setro "/dev/$1";; esac
done < $G/disks
exit 0
"""
_RULE = """\
# Written by liveupdate for the time of an update.
ACTION=="add", SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", \\
  RUN+="/bin/sh {guard}/disk %k '$env{{ID_SERIAL}} $env{{ID_SCSI_SERIAL}}'"
"""
#: What Linux gives out on 64 bit; below the first, only at boot.
PID_MIN, PID_MAX = 300, 4194304


def generator(
    guard: str = places.GUARD, expecting: str = places.EXPECTING, uuid: str = "/sys/class/dmi/id/product_uuid"
) -> str:
    """The generator itself; ``guard``: the folder of its lists and scripts."""
    keep_away = units.keep_away().replace("\n", "\\n")
    return _GENERATOR.format(guard=guard, expecting=expecting, uuid=uuid, keep_away=keep_away)


def pids(guard: str = places.GUARD) -> str:
    """Lift the PIDs of this machine to its base; again is nothing."""
    return _PIDS.format(guard=guard, maximum=PID_MAX)


def disk(guard: str = places.GUARD, uuid: str = "/sys/class/dmi/id/product_uuid") -> str:
    """What becomes of a disk that has come: read-only, if it is on the list and the workload is not here."""
    return _DISK.format(guard=guard, uuid=uuid)


def rule(guard: str = places.GUARD) -> str:
    """For udev: have each disk looked at as it comes."""
    return _RULE.format(guard=guard)


def network(guard: str = places.GUARD) -> str:
    """Put up the addresses of this machine, each on the interface with its MAC, once that is there."""
    return _NETWORK.format(guard=guard)
