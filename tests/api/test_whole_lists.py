"""Lists that others hold: paged, sorted and filtered as all lists are."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import Cloud, as_, code, golden

MANAGER = as_("admin@mine")


@pytest.fixture
def filled(api: TestClient, cloud: Cloud) -> TestClient:
    """Three of each, but methods: of these there is one."""
    made = golden()
    told = {"liveupdate:captured_at": "2026-01-0{}T00:00:00+00:00", "liveupdate:kernel": "6.1.0-{}"}
    for n in (3, 1, 2):
        properties = {**made.properties, **{key: value.format(n) for key, value in told.items()}}
        cloud.golden.append(replace(made, id=f"{n}{made.id[1:]}", name=f"image-{n}", properties=properties))
    for name in ("west", "east"):
        body = {"host_group": {"name": name, "policy": "packing"}}
        assert api.post("/v1/host-groups", json=body, headers=MANAGER).status_code == 201
    return api


def names(api: TestClient, path: str, query: str = "") -> list[str]:
    answer = api.get(f"{path}?{query}", headers=MANAGER)
    assert answer.status_code == 200, answer.text
    return [entry["name"] for entry in answer.json()[path.rpartition("/")[2].replace("-", "_")]]


def walked(api: TestClient, link: str) -> list[Any]:
    """The pages, by their links."""
    pages = []
    while link:
        told = api.get(link, headers=MANAGER).json()
        pages.append([entry["name"] for entry in next(value for key, value in told.items() if key != "links")])
        link = next((x["href"] for x in told["links"] if x["rel"] == "next"), "")
    return pages


@pytest.mark.parametrize("path", ["/v1/images", "/v1/host-groups", "/v1/methods"])
@pytest.mark.parametrize("sort", ["", "&sort=name:desc"])
def test_the_pages_are_the_list(filled: TestClient, path: str, sort: str) -> None:
    whole = names(filled, path, sort.removeprefix("&"))
    pages = walked(filled, f"{path}?limit=2{sort}")
    assert [name for page in pages for name in page] == whole
    assert all(len(page) <= 2 for page in pages)


def test_they_are_sorted_as_asked(filled: TestClient) -> None:
    assert names(filled, "/v1/images") == ["image-3", "image-1", "image-2"]
    assert names(filled, "/v1/images", "sort=name") == ["image-1", "image-2", "image-3"]
    assert names(filled, "/v1/images", "sort=captured_at:desc") == ["image-3", "image-2", "image-1"]
    assert names(filled, "/v1/host-groups", "sort=name:desc") == ["west", "east", "default"]


def test_they_are_filtered_by_what_they_have(filled: TestClient) -> None:
    assert names(filled, "/v1/images", "kernel=6.1.0-2") == ["image-2"]
    assert names(filled, "/v1/images", "name=image-1&status=active") == ["image-1"]
    assert names(filled, "/v1/images", "source_server_id=nobody") == []
    assert names(filled, "/v1/host-groups", "policy=striping") == ["default"]


@pytest.mark.parametrize("path", ["/v1/images", "/v1/host-groups", "/v1/methods"])
@pytest.mark.parametrize("query", ["marker=nobody", "limit=0", "limit=1001", "sort=size", "color=red"])
def test_what_makes_no_sense_is_refused(filled: TestClient, path: str, query: str) -> None:
    answer = filled.get(f"{path}?{query}", headers=MANAGER)
    assert answer.status_code == 400
    assert code(answer).startswith("live-update.request.")
