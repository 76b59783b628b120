from oslo_policy import policy

from liveupdate.policies.roles import MANAGER

RULES = (
    policy.DocumentedRuleDefault(
        "placement:explain",
        MANAGER,
        "See which host a server's twin would go to, and why: it shows the cloud's hosts.",
        [{"method": "POST", "path": "/v1/placements"}],
        scope_types=["project"],
    ),
    policy.DocumentedRuleDefault(
        "placement:get",
        MANAGER,
        "See how a job's surrogate was placed: it shows the cloud's hosts.",
        [{"method": "GET", "path": "/v1/placements/{job_id}"}],
        scope_types=["project"],
    ),
)
