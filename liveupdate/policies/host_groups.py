from oslo_policy import policy

from liveupdate.policies.roles import ADMIN, MANAGER


def _rule(name: str, check: str, description: str, method: str, path: str) -> policy.DocumentedRuleDefault:
    operations: list[policy.Operation] = [{"method": method, "path": f"/v1/host-groups{path}"}]
    return policy.DocumentedRuleDefault(f"host_group:{name}", check, description, operations, scope_types=["project"])


RULES = (
    _rule("list", MANAGER, "List the host groups.", "GET", ""),
    _rule("get", MANAGER, "Show a host group.", "GET", "/{name}"),
    _rule("create", ADMIN, "Create a host group.", "POST", ""),
    _rule("update", ADMIN, "Change a host group's rules.", "PATCH", "/{name}"),
    _rule("delete", ADMIN, "Delete a host group that has no hosts.", "DELETE", "/{name}"),
    _rule("add_host", ADMIN, "Put a host into a host group.", "POST", "/{name}/hosts"),
    _rule("remove_host", ADMIN, "Take a host out of a host group.", "DELETE", "/{name}/hosts/{host}"),
)
