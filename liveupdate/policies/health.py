from oslo_policy import policy

from liveupdate.policies.roles import ADMIN

RULES = (
    policy.DocumentedRuleDefault(
        "health:get",
        ADMIN,
        "See how the service and what it depends on is.",
        [{"method": "GET", "path": "/v1/health"}],
        scope_types=["project"],
    ),
)
