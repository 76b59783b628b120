"""Connections to the cloud: as the service user, and in a requester's name through a trust."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity import v3
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.connection import Connection

from liveupdate.drivers.cloud.cloud import Cloud
from liveupdate.drivers.cloud.errors import calling
from liveupdate.drivers.cloud.session import Session, named
from liveupdate.errors import Failed
from liveupdate.model import Job

#: Chosen, not negotiated: what we send and read is written for exactly these.
MICROVERSIONS: Mapping[str, str] = {"compute": "2.96", "block_storage": "3.70", "placement": "1.39"}

#: What Keystone's word comes to on a trust that has ended or was revoked, or whose trustor has lost the role.
_NO_TRUST = ("live-update.cloud.not-found", "live-update.cloud.forbidden")

#: Of clouds.yaml's auth section: what says who, without what scopes it.
_WHO = ("auth_url", "username", "user_id", "password", "user_domain_id", "user_domain_name")


class Clouds:
    """Makes each job's two clouds. One token per identity is shared by all its calls.

    ``name`` is the entry of clouds.yaml that holds the service user (OS_CLIENT_CONFIG_FILE finds the file).
    Raises openstack.exceptions.ConfigException if there is none.
    """

    def __init__(self, name: str) -> None:
        self._region: CloudRegion = OpenStackConfig().get_one(cloud=name)
        self._auth = self._region.get_auth()
        #: job id → its clouds, by whose they are.
        self._made: dict[str, dict[str, Cloud]] = {}
        self._lock = Lock()

    def service(self, job: Job) -> Cloud:
        """The cloud as the service user; every call carries the job's request ids."""
        return self._cloud(job, "service", lambda: self._auth)

    def user(self, job: Job) -> Cloud:
        """The cloud in the requester's name, through the job's trust. Raises Failed if that is gone."""
        who = {key: value for key, value in self._region.config["auth"].items() if key in _WHO}
        try:
            return self._cloud(job, "user", lambda: v3.Password(trust_id=job.trust_id, **who))
        except Failed as refused:
            if refused.code not in _NO_TRUST:
                raise
            raise Failed(
                f"the requester's trust is not valid any more: {refused.detail}",
                code="live-update.trust.gone",
                remedy="ask for cleanup, which works in the name of who asks; once undone, create the job again",
            ) from refused

    def watcher(self) -> Cloud:
        """The cloud as the service user, in no job's name."""
        return self.infrastructure("")

    def infrastructure(self, request_id: str, global_request_id: str = "") -> Cloud:
        """The cloud as the service user, for a request to the API; see session.named."""
        return Cloud(self._connection(self._auth, request_id, global_request_id), self._service_token)

    def service_connection(self) -> Any:
        """The bare openstacksdk connection of the service user, for what no job stands behind."""
        return self._connection(self._auth)

    def identity_fault(self) -> str:
        """Why Keystone does not answer, "" if it does. Nothing that is cached counts."""
        session = self.service_connection().session
        try:
            session.get(session.auth.auth_url, authenticated=False, timeout=5, connect_retries=0)
        except ClientException as error:
            return type(error).__name__
        return ""

    def forget(self, job_id: str) -> None:
        """Drop what is kept for a job that this worker has given back."""
        with self._lock:
            self._made.pop(job_id, None)

    def _cloud(self, job: Job, identity: str, auth: Callable[[], Any]) -> Cloud:
        with self._lock:
            made = self._made.setdefault(job.id, {})
            if identity not in made:
                # the services are looked up in the catalog at once: a trust that is gone is told here
                with calling(f"sign in as the {identity}"):
                    connection = self._connection(auth(), job.request_id, job.global_request_id)
                    made[identity] = Cloud(connection, self._service_token)
            return made[identity]

    def _service_token(self) -> str:
        return str(self.service_connection().session.get_token())

    def _connection(self, auth: Any, request_id: str = "", global_request_id: str = "") -> Any:
        verify, cert = self._region.get_requests_verify_args()
        session = Session(auth=auth, verify=verify, cert=cert, timeout=60, **named(request_id, global_request_id))
        options: dict[str, Any] = {
            f"{service}_default_microversion": version for service, version in MICROVERSIONS.items()
        }
        return Connection(
            session=session,
            region_name=self._region.region_name,
            interface=self._region.config.get("interface"),
            **options,
        )
