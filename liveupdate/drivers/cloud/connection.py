"""Connections to the cloud: as the service user, and in a requester's name through a trust."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.connection import Connection

from liveupdate.drivers.cloud.cloud import Cloud
from liveupdate.model import Job

#: Chosen, not negotiated: what we send and read is written for exactly these.
MICROVERSIONS: Mapping[str, str] = {"compute": "2.96", "block_storage": "3.70", "placement": "1.39"}

#: Of clouds.yaml's auth section: what says who, without what scopes it.
_WHO = ("auth_url", "username", "user_id", "password", "user_domain_id", "user_domain_name")
_REQUEST_ID = "X-OpenStack-Request-Id"


class Clouds:
    """Makes each job's two clouds. One token per identity is shared by all its calls.

    ``name`` is the entry of clouds.yaml that holds the service user (OS_CLIENT_CONFIG_FILE finds the file).
    Raises openstack.exceptions.ConfigException if there is none.
    """

    def __init__(self, name: str) -> None:
        self._region: CloudRegion = OpenStackConfig().get_one(cloud=name)
        self._auth = self._region.get_auth()
        self._trusted: dict[str, v3.Password] = {}
        self._made: dict[tuple[str, str], Cloud] = {}
        self._lock = Lock()

    def service(self, job: Job) -> Cloud:
        """The cloud as the service user; every call carries the job's request id."""
        return self._cloud(("", job.request_id), self._auth)

    def user(self, job: Job) -> Cloud:
        """The cloud in the requester's name, through the job's trust. A trust that is gone fails the first call."""
        with self._lock:
            if job.trust_id not in self._trusted:
                who = {key: value for key, value in self._region.config["auth"].items() if key in _WHO}
                self._trusted[job.trust_id] = v3.Password(trust_id=job.trust_id, **who)
            auth = self._trusted[job.trust_id]
        return self._cloud((job.trust_id, job.request_id), auth)

    def service_connection(self, request_id: str = "") -> Any:
        """The bare openstacksdk connection of the service user, for what no job stands behind."""
        return self._connection(self._auth, request_id)

    def forget(self, job: Job) -> None:
        """Drop what is kept for a job that this worker has given back."""
        with self._lock:
            self._trusted.pop(job.trust_id, None)
            for key in [k for k in self._made if k[1] == job.request_id]:
                del self._made[key]

    def _cloud(self, key: tuple[str, str], auth: Any) -> Cloud:
        with self._lock:
            if key not in self._made:
                self._made[key] = Cloud(self._connection(auth, key[1]))
            return self._made[key]

    def _connection(self, auth: Any, request_id: str) -> Any:
        verify, cert = self._region.get_requests_verify_args()
        headers = {_REQUEST_ID: request_id} if request_id else {}
        session = Session(auth=auth, verify=verify, cert=cert, timeout=60, additional_headers=headers)
        options: dict[str, Any] = {
            f"{service}_default_microversion": version for service, version in MICROVERSIONS.items()
        }
        return Connection(
            session=session,
            region_name=self._region.region_name,
            interface=self._region.config.get("interface"),
            **options,
        )
