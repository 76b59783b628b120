"""The program as one file, built in memory by the worker, and how it is started in a guest."""

from __future__ import annotations

import io
import os
import zipfile

from . import places

#: Start the daemon: survives the worker's connection, restarted if it dies. CRIU and ssh children outlive a restart.
START = (
    "systemd-run", "--quiet", f"--unit={places.AGENT_UNIT}", "--property=Restart=always", "--property=RestartSec=0.2",
    "--property=StartLimitIntervalSec=0", "--property=KillMode=process", "--property=OOMScoreAdjust=-900",
    "--property=Nice=-10", "--property=TasksMax=infinity", "python3", places.AGENT, "serve",
)  # fmt: skip
#: Before that: memory of its own, so that whoever fills /run keeps nothing from being written down in a blackout.
ROOM = (
    f"install -d -m 700 {places.ROOT} && {{ mountpoint -q {places.ROOT} || "
    f"mount -t tmpfs -o mode=700,nosuid,nodev tmpfs {places.ROOT}; }}"
)
ATTACH = ("python3", places.AGENT, "attach")
#: After ``finish`` on the daemon: the last of it.
REMOVE = (
    f"systemctl stop {places.AGENT_UNIT} {places.SSHD_UNIT} 2>/dev/null; "
    f"umount -l {places.ROOT} 2>/dev/null; rm -rf {places.ROOT}"
)

ENTRY = b"from liveupdate.guest.__main__ import main\nmain()\n"
#: The same content gives the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


def build() -> bytes:
    """The zipapp: this package alone, reproducible, to be written to ``places.AGENT`` (directory 0700, file 0600)."""
    folder = os.path.dirname(os.path.abspath(__file__))
    files = {"__main__.py": ENTRY, "liveupdate/__init__.py": b""}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), "rb") as file:
                files[f"liveupdate/guest/{name}"] = file.read()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
