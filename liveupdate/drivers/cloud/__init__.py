"""The cloud, as steps see it: thin verbs over openstacksdk, one file per resource, errors mapped in errors.py."""

from liveupdate.drivers.cloud.cloud import Cloud
from liveupdate.drivers.cloud.connection import Clouds

__all__ = ["Cloud", "Clouds"]
