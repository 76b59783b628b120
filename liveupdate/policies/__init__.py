"""Who may do what: oslo.policy defaults, one file per resource."""

from itertools import chain

from oslo_policy import policy

from liveupdate.policies import host_groups, jobs, methods, placements, previews


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return list(chain(host_groups.RULES, jobs.RULES, methods.RULES, placements.RULES, previews.RULES))
