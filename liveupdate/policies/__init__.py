"""Who may do what: oslo.policy defaults, one file per resource."""

from itertools import chain

from oslo_policy import policy

from liveupdate.policies import jobs, methods, previews


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return list(chain(jobs.RULES, methods.RULES, previews.RULES))
