"""A guest, as steps see it: commands over ssh with a pinned host key, and the in-guest program."""

from liveupdate.drivers.guest.connection import Completed
from liveupdate.drivers.guest.freeze import Frozen
from liveupdate.drivers.guest.guest import Guest

__all__ = ["Completed", "Frozen", "Guest"]
