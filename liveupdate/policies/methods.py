from oslo_policy import policy

from liveupdate.policies.roles import READER

RULES = (
    policy.DocumentedRuleDefault(
        "method:list",
        READER,
        "List the update methods.",
        [{"method": "GET", "path": "/v1/methods"}],
        scope_types=["project"],
    ),
)
