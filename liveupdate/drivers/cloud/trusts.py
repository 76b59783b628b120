"""Keystone trusts: the requester lets the service work in its name, for one job, with no more roles than it needs."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from keystoneauth1 import exceptions
from keystoneauth1.session import Session

from liveupdate.drivers.cloud.errors import calling
from liveupdate.errors import Forbidden

_IDENTITY = {"service_type": "identity", "version": (3, 0)}
#: How often another end is tried for, and within how many seconds: Keystone keeps no two trusts between the same two
#: users, for one project, that end in the same second.
_TRIES, _WITHIN = 8, 3600


def create(
    session: Session, trustor: str, trustee: str, project_id: str, roles: tuple[str, ...], expires_at: datetime
) -> str:
    """``session``: the trustor's own; the trust may end up to an hour later. Returns the trust's id.

    Raises Forbidden if its token may not make trusts.
    """
    trust: dict[str, Any] = {
        "trustor_user_id": trustor,
        "trustee_user_id": trustee,
        "project_id": project_id,
        "roles": [{"name": role} for role in roles],
        "impersonation": True,
        "allow_redelegation": False,
    }
    with calling("create the job's trust"):
        for _ in range(_TRIES - 1):
            try:
                return _create(session, trust, expires_at)
            except exceptions.Conflict:
                expires_at += timedelta(seconds=1 + secrets.randbelow(_WITHIN // _TRIES))
        return _create(session, trust, expires_at)


def _create(session: Session, trust: dict[str, Any], expires_at: datetime) -> str:
    wanted = trust | {"expires_at": expires_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    try:
        answer = session.post("/OS-TRUST/trusts", json={"trust": wanted}, endpoint_filter=_IDENTITY)
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise Forbidden(
            "this token may not let the service work in your name",
            code="live-update.trust.refused",
            remedy="use a token that you got with a password: Keystone lets few others make trusts",
        ) from error
    return str(answer.json()["trust"]["id"])


class Trusts:
    """As who may use them, or an administrator."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def all(self) -> list[str]:
        """The ids of those that let this user work in somebody's name."""
        with calling("list the trusts"):
            path = f"/OS-TRUST/trusts?trustee_user_id={self._session.get_user_id()}"
            answer = self._session.get(path, endpoint_filter=_IDENTITY)
        return [str(trust["id"]) for trust in answer.json()["trusts"]]

    def get(self, trust_id: str) -> str | None:
        """The same id; None if it is gone."""
        with calling(f"read trust {trust_id}"):
            try:
                self._session.get(f"/OS-TRUST/trusts/{trust_id}", endpoint_filter=_IDENTITY)
            except exceptions.NotFound:
                return None
        return trust_id

    def delete(self, trust_id: str) -> None:
        delete(self._session, trust_id)


def delete(session: Session, trust_id: str) -> None:
    """``session``: the service user's. Nothing happens if it is gone."""
    with calling("delete the job's trust"):
        try:
            session.delete(f"/OS-TRUST/trusts/{trust_id}", endpoint_filter=_IDENTITY)
        except exceptions.NotFound:
            return
