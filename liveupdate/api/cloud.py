"""What the API asks of the cloud, with the caller's own token; trusts are taken back as the service user."""

from datetime import datetime
from typing import Any

from openstack import exceptions
from openstack.connection import Connection

from liveupdate.api.services import Caller
from liveupdate.drivers.cloud import Clouds, trusts
from liveupdate.drivers.cloud.errors import calling
from liveupdate.drivers.cloud.golden_images import GoldenImage, GoldenImages
from liveupdate.drivers.cloud.session import Session, named
from liveupdate.errors import NotFound


class CallersCloud:
    """See services.Cloud."""

    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    def server_name(self, caller: Caller, server_id: str) -> str:
        with calling(f"look up server {server_id}"):
            try:
                server = Connection(session=self._session(caller)).compute.get_server(server_id)
            except exceptions.NotFoundException:
                server = None
        # an administrator's token would find another project's server, too: the job belongs to the token's project
        if server is None or server.project_id != caller.context.project_id:
            raise NotFound(
                f"no server {server_id} in this project",
                code="live-update.server.not-found",
                remedy="openstack server list",
            )
        return str(server.name)

    def images(self, caller: Caller) -> list[GoldenImage]:
        return self._golden(caller).all(caller.context.project_id)

    def image(self, caller: Caller, image_id: str) -> GoldenImage:
        image = self._golden(caller).get(image_id)
        if image is None or image.owner != caller.context.project_id:
            raise NotFound(
                f"no golden image {image_id} in this project",
                code="live-update.image.not-found",
                remedy="openstack live update image list",
            )
        return image

    def _golden(self, caller: Caller) -> GoldenImages:
        return GoldenImages(Connection(session=self._session(caller)).image)

    def create_trust(self, caller: Caller, roles: tuple[str, ...], expires_at: datetime) -> str:
        trustee = self._service().get_user_id()
        who = caller.context
        return trusts.create(self._session(caller), who.user_id, str(trustee), who.project_id, roles, expires_at)

    def delete_trust(self, trust_id: str) -> None:
        trusts.delete(self._service(), trust_id)

    def _service(self) -> Any:
        return self._clouds.service_connection().session

    def _session(self, caller: Caller) -> Session:
        who = caller.context
        return Session(auth=caller.plugin, timeout=60, **named(who.request_id, who.global_request_id))
