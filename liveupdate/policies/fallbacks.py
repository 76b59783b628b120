from oslo_policy import policy

from liveupdate.policies.roles import ADMIN, MEMBER, READER


def _rule(name: str, check: str, description: str, *routes: tuple[str, str]) -> policy.DocumentedRuleDefault:
    operations: list[policy.Operation] = [{"method": method, "path": path} for method, path in routes]
    return policy.DocumentedRuleDefault(f"fallback:{name}", check, description, operations, scope_types=["project"])


_FALLBACK = "/v1/fallbacks/{fallback_id}"

RULES = (
    _rule("list", READER, "List what the project's updates have kept to return to.", ("GET", "/v1/fallbacks")),
    _rule(
        "list_all", ADMIN, "List and show the fallbacks of all projects.", ("GET", "/v1/fallbacks?all_projects=true")
    ),
    _rule("get", READER, "Show a fallback.", ("GET", _FALLBACK)),
    _rule("delete", MEMBER, "End a fallback before its time.", ("DELETE", _FALLBACK)),
    _rule("restore", MEMBER, "Bring a server back from its fallback.", ("POST", f"{_FALLBACK}/actions")),
)
