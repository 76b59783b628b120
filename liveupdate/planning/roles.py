"""Roles of what jobs make, as ledgers and marks say them, where more than the step that makes it goes by them. Pure."""

#: A copy of the volume that is booted from, or of the root disk, to return to; and the old boot volume that stays.
FALLBACK = "fallback"
#: A temporary server that serves nobody (steps/boot_copy.py).
COPY = "copy"
#: An entry of Glance's that names the disks of an image.
GOLDEN = "golden"


def fallback(volume_id: str) -> str:
    """The copy of any volume but the one that is booted from; and the old one that stays."""
    return f"{FALLBACK}-{volume_id[:8]}"


def golden_disk(number: int) -> str:
    """The snapshot behind an image's disk; what is booted from is number 0."""
    return f"{GOLDEN}-{number}"


def golden_copy(number: int) -> str:
    """The volume that this snapshot is of."""
    return f"{COPY}-{number}"


def inside(volume_id: str) -> str:
    """The attachment of a volume that the guest itself attaches."""
    return f"inside-{volume_id[:8]}"
