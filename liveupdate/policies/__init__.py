"""Who may do what: oslo.policy defaults, one file per resource."""

from itertools import chain

from oslo_policy import policy

from liveupdate.policies import fallbacks, health, host_groups, images, jobs, methods, placements, previews


def list_rules() -> list[policy.DocumentedRuleDefault]:
    every = (fallbacks, health, host_groups, images, jobs, methods, placements, previews)
    return list(chain.from_iterable(module.RULES for module in every))
