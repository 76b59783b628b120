"""The service in openstacksdk: ``connection.live_update.create_job(...)`` after ``add_service(connection)``."""

from typing import Any, ClassVar

from openstack.service_description import ServiceDescription

from liveupdate.client.proxy import Proxy

SERVICE_TYPE = "live-update"


class LiveUpdateService(ServiceDescription[Proxy]):
    supported_versions: ClassVar = {  # type: ignore[misc] # openstacksdk's way of declaring it
        "1": Proxy
    }


def add_service(connection: Any) -> Proxy:
    """Make ``connection.live_update`` available; its proxy. Nothing happens if it is there already."""
    if not isinstance(getattr(connection, "live_update", None), Proxy):
        connection.add_service(LiveUpdateService(SERVICE_TYPE))
    proxy: Proxy = connection.live_update
    return proxy
