"""Who may do what: oslo.policy defaults, one file per resource."""

from itertools import chain

from oslo_policy import policy

from liveupdate.policies import fallbacks, jobs, methods, previews


def list_rules() -> list[policy.DocumentedRuleDefault]:
    return list(chain(fallbacks.RULES, jobs.RULES, methods.RULES, previews.RULES))
