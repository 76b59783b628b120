"""Update the kernel on the surrogate, as on any machine: install it, reboot, see that it runs and who it is.

Nothing is done that is done already: a kernel that runs is left alone, one that is only installed is booted. One that
a newer one outranks becomes the boot loader's default. The install is a task in the guest, the boot is Nova's: a worker
may die at any point, and none is held while they last.
What is to run, in which boot that was noted, and which packages there were stands on the surrogate's disk; clean_up
removes it.
Undo: nothing; the surrogate goes as a whole with the step that made it.
"""

import json
from typing import TYPE_CHECKING, Any

from liveupdate.drivers.guest import grub, packages
from liveupdate.drivers.guest.tasks import Task, TaskState
from liveupdate.errors import Failed, GuestError, Retry, Watch
from liveupdate.model import Json
from liveupdate.plain import plain
from liveupdate.planning import kernels
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

if TYPE_CHECKING:
    from liveupdate.drivers.guest import Guest

#: Of ours on the surrogate, until the job cleans up.
PLACE = "/var/lib/liveupdate"
#: On the surrogate's disk: {"release": to run, "boot": id of the boot in which it was written, "packages": installed}.
NOTE = f"{PLACE}/update.json"
#: The packages before the update, for the report.
PACKAGES = f"{PLACE}/packages"
_INTERVAL = 3.0
_IDENTITY = ("cat", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/random/boot_id", "/etc/machine-id",
             "/proc/sys/kernel/hostname", "/sys/class/dmi/id/product_uuid")  # fmt: skip


def probe(context: StepContext) -> Probe:
    guest = context.guest("surrogate")
    if not guest.reachable() or (note := _note(guest)) is None:
        return NOT_DONE
    seen = _look(guest)
    return Probe(True, _result(context, note, seen)) if seen["kernel"] == note["release"] else NOT_DONE


def apply(context: StepContext) -> Json:
    _wait_for_server(context)
    guest = context.guest("surrogate")
    if not guest.reachable():
        raise Retry(_INTERVAL, "waits for the surrogate's ssh", counts=False)
    seen = _look(guest)
    note = _note(guest) or _choose(context, guest, seen)
    if seen["kernel"] == note["release"]:
        _check_identity(context, seen)
        return _result(context, note, seen)
    if seen["boot"] != note["boot"]:
        raise Failed(
            f"the surrogate came up with {seen['kernel']} and not with {note['release']}",
            code="live-update.kernel.not-booted",
            remedy="see the surrogate's console and its boot loader",
        )
    _install(guest, note)
    raise _reboot(context, note["release"])


def undo(context: StepContext) -> None:
    """The surrogate is deleted with all that is on it."""


def _look(guest: "Guest") -> dict[str, str]:
    told = [plain(line.strip(), 200) for line in guest.run(_IDENTITY).stdout.split("\n")]
    keys = ("kernel", "boot", "machine_id", "hostname", "smbios_uuid")
    if len(told) < len(keys):
        raise GuestError("the surrogate does not say who it is", code="live-update.guest.bad-answer")
    return dict(zip(keys, told, strict=False))


def _note(guest: "Guest") -> dict[str, Any] | None:
    done = guest.run(["cat", NOTE], check=False)
    if done.code != 0:
        return None
    try:
        note = json.loads(done.stdout)
        release, boot = (plain(str(note[key]), 200) for key in ("release", "boot"))
        return {"release": release, "boot": boot, "packages": [plain(str(p), 200) for p in list(note["packages"])[:10]]}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Failed(
            f"the note {NOTE} on the surrogate cannot be read",
            code="live-update.guest.note-spoiled",
            remedy="start the update anew",
        ) from None


def _write(guest: "Guest", note: dict[str, Any]) -> None:
    guest.put(NOTE, json.dumps(note).encode(), 0o600)


def _choose(context: StepContext, guest: "Guest", seen: dict[str, str]) -> dict[str, Any]:
    """The preflight has found out what the package sources have."""
    note = {"release": context.result("preflight")["kernel"], "boot": seen["boot"], "packages": []}
    guest.run(["install", "-d", "-m", "700", PLACE])
    guest.put(PACKAGES, packages.listing(guest).encode(), 0o600)
    _write(guest, note)
    return note


def _install(guest: "Guest", note: dict[str, Any]) -> None:
    """The package, unless it is there, and the boot loader told to start it, unless it does so by itself."""
    release = note["release"]
    package = f"{kernels.PREFIX}{release}"
    there = packages.installed(guest, kernels.PREFIX)
    # half configured by an install that still runs: not "installed", so waited for
    if package not in there:
        _finish(guest, "refresh", packages.REFRESH, "the package lists")
        if not note["packages"]:
            note["packages"] = [package]
            _write(guest, note)
        _finish(guest, "install", packages.install([package]), f"{package} to be installed")
        there = packages.installed(guest, kernels.PREFIX)
    newer = kernels.outranking(release, kernels.releases(there))
    if not newer:
        grub.unpin(guest)
    elif not grub.pin(guest, release):
        raise Failed(
            f"{', '.join(newer)} is installed, and the boot loader cannot be told to start {release} instead",
            user_fault=True,
            code="live-update.kernel.outranked",
            remedy="remove the package of the newer kernel, or ask for it",
        )


def _finish(guest: "Guest", name: str, argv: tuple[str, ...], what: str) -> None:
    """Return when the task is done; start it, or park the job until it is."""
    task = Task(guest, name)
    state = task.state()
    if state == TaskState.DONE:
        return
    if state == TaskState.FAILED:
        words = task.words()
        # so that another try tries anew
        task.forget()
        raise Failed(
            f"apt-get in the surrogate failed: {words}",
            code="live-update.guest.packages-failed",
            remedy="see that it works in the original: apt-get update, apt-get --fix-broken install",
        )
    if state == TaskState.ABSENT:
        task.start(argv)
    raise Retry(_INTERVAL, f"waits for {what}", counts=False)


def _wait_for_server(context: StepContext) -> None:
    """Park the job while Nova is at work on the surrogate."""
    server_id = context.result("provision")["server_id"]
    server = context.user_cloud().servers.get(server_id)
    if server is None or server.status == "ERROR":
        raise Failed(
            f"the surrogate is {'in error: ' + server.fault if server else 'gone'}",
            code="live-update.surrogate.failed",
            remedy="see Nova's log",
        )
    if server.state != "ACTIVE/":
        watch = Watch("server", server_id, server.state)
        raise Retry(_INTERVAL, f"waits for the surrogate to be ACTIVE: {server.state}", watch=watch, counts=False)


def _reboot(context: StepContext, release: str) -> Retry:
    """By Nova, which starts a new domain: a warm reset inside takes minutes under emulation.

    It counts as a try: a surrogate that does not go down is not rebooted for ever.
    """
    server_id = context.result("provision")["server_id"]
    context.event("progress", text=f"boots the surrogate into {release}")
    context.user_cloud().servers.reboot(server_id)
    return Retry(_INTERVAL, f"boots the surrogate into {release}")


def _check_identity(context: StepContext, seen: dict[str, str]) -> None:
    """The host key was checked by the connection itself."""
    was = context.result("preflight")["guest"]
    expected = {
        "machine_id": was["machine_id"],
        "hostname": was["hostname"],
        "smbios_uuid": context.result("provision")["server_id"],
    }
    wrong = [f"{key} is {seen.get(key, '')[:64]!r}" for key, value in expected.items() if seen.get(key) != value]
    if wrong:
        raise Failed(
            f"the surrogate has not kept the original's identity: {', '.join(wrong)}",
            code="live-update.surrogate.identity",
            remedy="see what changes it at boot, cloud-init for example",
        )


def _result(context: StepContext, note: dict[str, Any], seen: dict[str, str]) -> dict[str, Any]:
    return {
        "kernel_before": context.result("preflight")["guest"]["kernel"],
        "kernel_after": seen["kernel"],
        "packages": note["packages"],
        "rebooted": seen["boot"] != note["boot"],
    }


STEP = Step("update", "Update the kernel on the surrogate", probe, apply, undo, timeout=3600)
