"""Menus as grub-mkconfig of Debian 12 writes them, without what no test reads."""

from collections.abc import Sequence

ROOT = "e3a43e41-e66e-4bc6-8f74-17526d7caf65"

_HEAD = """\
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
   set next_entry=
   set boot_once=true
else
   set default="{default}"
fi
function load_video {{
  if [ x$feature_all_video_module = xy ]; then
    insmod all_video
  fi
}}
"""
_ENTRY = """\
menuentry '{title}' --class debian --class os $menuentry_id_option 'gnulinux-{kind}-{root}' {{
\tload_video
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\tlinux\t/boot/vmlinuz-{release} root=UUID={root} ro console=ttyS0
\tinitrd\t/boot/initrd.img-{release}
}}
"""


def menu(releases: Sequence[str], default: str = "0", *, submenu: bool = True, recovery: bool = True) -> str:
    """``releases``: the newest first."""

    def entry(release: str, kind: str) -> str:
        return _ENTRY.format(title=f"Debian GNU/Linux, with Linux {release}", kind=kind, root=ROOT, release=release)

    text = _HEAD.format(default=default)
    entries = [
        entry(release, f"{release}-{kind}")
        for release in releases
        for kind in ("advanced", *(["recovery"] if recovery else []))
    ]
    if not submenu:
        return text + "".join(entries)
    nested = "".join("\t" + line + "\n" for line in "".join(entries).splitlines())
    opening = f"submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-{ROOT}' {{\n"
    return text + entry(releases[0], "simple") + opening + nested + "}\n" + _FIRMWARE


_FIRMWARE = """\
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\tfwsetup
}
"""
