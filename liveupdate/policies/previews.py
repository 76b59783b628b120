from oslo_policy import policy

from liveupdate.policies.roles import MEMBER, READER

RULES = (
    policy.DocumentedRuleDefault(
        "preview:get",
        READER,
        "List and show previews.",
        [{"method": "GET", "path": "/v1/previews"}, {"method": "GET", "path": "/v1/previews/{preview_id}"}],
        scope_types=["project"],
    ),
    policy.DocumentedRuleDefault(
        "preview:create",
        MEMBER,
        "Run the checks of an update, which touches nothing.",
        [{"method": "POST", "path": "/v1/previews"}],
        scope_types=["project"],
    ),
)
