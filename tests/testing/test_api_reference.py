"""The reference of the API has every route with its rules, and what may be asked."""

import re
from functools import cache

from liveupdate import policies
from liveupdate.testing import api_reference


@cache
def page() -> str:
    return api_reference.api_page()


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page(), re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def test_every_route_that_a_rule_names_is_in_it() -> None:
    for rule in policies.list_rules():
        for operation in rule.operations:
            assert f"`{rule.name}`" in section(f"{operation['method']} {operation['path'].partition('?')[0]}")


def test_a_body_is_told_field_by_field() -> None:
    told = section("POST /v1/jobs")
    assert "| `job.server_id` | uuid | required |" in told
    assert "Answers: 202" in told


def test_the_policy_has_every_rule_with_its_default() -> None:
    page = api_reference.policy_page()
    for rule in policies.list_rules():
        assert f"| `{rule.name}` | {rule.description} | `{rule.check_str}` |" in page
