from oslo_policy import policy

from liveupdate.policies.roles import MEMBER, READER


def _rule(name: str, check: str, description: str, method: str, path: str) -> policy.DocumentedRuleDefault:
    operations: list[policy.Operation] = [{"method": method, "path": f"/v1/images{path}"}]
    return policy.DocumentedRuleDefault(f"image:{name}", check, description, operations, scope_types=["project"])


RULES = (
    _rule("list", READER, "List the project's golden images.", "GET", ""),
    _rule("get", READER, "Show a golden image.", "GET", "/{image_id}"),
    _rule("capture", MEMBER, "Capture a server as a golden image, or check whether that can be done.", "POST", ""),
    _rule("deploy", MEMBER, "Make servers from a golden image.", "POST", "/{image_id}/actions"),
    _rule("delete", MEMBER, "Delete a golden image and the snapshots behind it.", "DELETE", "/{image_id}"),
)
