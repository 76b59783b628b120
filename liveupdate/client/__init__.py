"""The service in openstacksdk: ``connection.live_update.create_job(...)`` after ``add_service(connection)``.

Those who connect by clouds.yaml may have it there instead: ``vendor_hook: liveupdate.client:vendor_hook``.
"""

from typing import Any, ClassVar

from openstack.service_description import ServiceDescription

from liveupdate.client.proxy import Proxy

SERVICE_TYPE = "live-update"


class LiveUpdateService(ServiceDescription[Proxy]):
    supported_versions: ClassVar = {  # type: ignore[misc] # openstacksdk's way of declaring it
        "1": Proxy
    }


_SERVICE = LiveUpdateService(SERVICE_TYPE)


def vendor_hook(connection: Any) -> None:
    """Make ``connection.live_update`` available; nothing is asked of the cloud yet. May be repeated."""
    connection.add_service(_SERVICE)


def add_service(connection: Any) -> Proxy:
    """Make ``connection.live_update`` available; its proxy. May be repeated."""
    vendor_hook(connection)
    proxy: Proxy = connection.live_update
    return proxy
