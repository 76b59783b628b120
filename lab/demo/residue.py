"""What of ours is in a guest: taken before and after, so that nothing left behind goes unseen there either."""

from lab.demo.servers import Guest

#: Files by their names, ours and those that CRIU, package managers and the boot are told by; units; firewall rules;
#: addresses; mounts; and what a login, the boot loader and iSCSI are told by, as it is.
_LOOK = """
find /boot /etc /opt /root /run /srv /tmp /usr/local /usr/sbin /var -xdev \\( \\
    -iname '*liveupdate*' -o -name policy-rc.d -o -name 'trial-*' \\) -not -path '/var/log/*' 2>/dev/null
ls -A /var/tmp | grep -v ^systemd-private
grep -rls liveupdate /etc
systemctl list-units --all --plain --no-legend 'liveupdate*' 'criu*' | cut -d' ' -f1
nft list ruleset
ip -4 -o address show scope global | wc -l
findmnt -rno TARGET --real | sort
cat /root/.ssh/authorized_keys /etc/default/grub /etc/iscsi/initiatorname.iscsi /etc/multipath.conf 2>/dev/null
true
"""


def take(guest: Guest) -> list[str]:
    """A line for each."""
    return guest.ssh(_LOOK).splitlines()
