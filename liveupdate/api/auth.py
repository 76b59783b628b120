"""Who asks: Keystone's own middleware checks the token; oslo.policy says what its owner may do."""

from collections.abc import Callable, Mapping
from typing import Any

import openstack.config
from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import _request  # the one private name we use: pinned, and tested in the lab
from oslo_config import cfg
from oslo_context.context import RequestContext as PolicyContext
from oslo_policy import policy
from webob.exc import HTTPException

from liveupdate import policies
from liveupdate.api.problems import Unauthorized
from liveupdate.api.services import Authorize, Caller
from liveupdate.context import RequestContext
from liveupdate.errors import Forbidden


def authenticator(cloud: str) -> Callable[[Mapping[str, str]], Caller]:
    """Check tokens against the Keystone of ``cloud``, an entry of clouds.yaml with the service user's credentials."""
    region = openstack.config.OpenStackConfig().get_one(cloud=cloud)
    options: dict[str, Any] = {k: v for k, v in region.get_auth_args().items() if v}
    options |= {
        "auth_type": "password",
        "www_authenticate_uri": options["auth_url"],
        "region_name": region.get_region_name(),
        "service_type": "live-update",
        "interface": region.get_interface("identity") or "public",
    }
    options["service_token_roles_required"] = True
    protocol = auth_token.AuthProtocol(None, options)

    def authenticate(headers: Mapping[str, str]) -> Caller:
        request = _request._AuthTokenRequest.blank("/", headers=dict(headers))
        try:
            refusal = protocol.process_request(request)
        except HTTPException as error:
            refusal = error
        if refusal is not None:
            raise _refused(refusal.status_int)
        given = request.headers
        if not given.get("X-Project-Id"):
            raise Forbidden(
                "the token is not scoped to a project",
                code="live-update.auth.no-project",
                remedy="ask Keystone for a project-scoped token",
            )
        roles = tuple(r for r in given.get("X-Roles", "").split(",") if r)
        context = RequestContext(given["X-User-Id"], given["X-Project-Id"], roles)
        return Caller(context, request.token_auth)

    return authenticate


def _refused(status: int) -> Unauthorized:
    if status == 401:
        return Unauthorized("no valid token", remedy="send a valid token in X-Auth-Token")
    error = Unauthorized(
        "the token could not be checked: Keystone does not answer", code="live-update.auth.unavailable", remedy="retry"
    )
    error.status = 503
    return error


def authorizer(conf: cfg.ConfigOpts | None = None) -> Authorize:
    """See services.Authorize."""
    enforcer = sample_enforcer(conf)

    def authorize(rule: str, context: RequestContext, project_id: str, user_id: str = "") -> None:
        who = PolicyContext(user_id=context.user_id, project_id=context.project_id, roles=list(context.roles))
        if not enforcer.authorize(rule, {"project_id": project_id, "user_id": user_id}, who):
            raise Forbidden(
                f"policy {rule} does not allow this",
                code="live-update.policy.forbidden",
                remedy="ask somebody with the needed role in this project",
            )

    return authorize


def sample_enforcer(conf: cfg.ConfigOpts | None = None) -> policy.Enforcer:
    """An enforcer with our rules; also oslopolicy's generators find it."""
    if conf is None:
        conf = cfg.ConfigOpts()
        conf([], project="liveupdate")
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(policies.list_rules())
    return enforcer
