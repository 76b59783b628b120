"""The NFS back end: a share of this machine's own, mounted by the lab's stand-in where the kernel has no NFS client."""

from lab import settings
from lab.ini import Section

SHARE = settings.STATE / "nfs" / "share"
SHARES = settings.STATE / "nfs" / "shares"


def configure() -> None:
    SHARE.mkdir(parents=True, exist_ok=True)
    SHARES.write_text(f"{settings.MANAGEMENT_ADDRESS}:{SHARE}\n")


def backend() -> Section:
    """Cinder's options for it."""
    return {
        "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
        "nfs_shares_config": SHARES,
        "nfs_snapshot_support": True,
        "nfs_sparsed_volumes": True,
        "nas_secure_file_operations": False,
        "nas_secure_file_permissions": False,
        "max_over_subscription_ratio": 100,
    }
