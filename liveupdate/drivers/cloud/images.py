"""Images: of Glance, and those that Nova makes of servers whose root disk lies on their host."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.errors import calling

#: Glance still shows some that are gone.
_GONE = ("deleted", "pending_delete")
#: What Glance itself tells of an image, in words.
_OWN = frozenset(
    ("id", "name", "status", "owner", "checksum", "file", "schema", "self", "direct_url", "created_at", "updated_at")
)


@dataclass(frozen=True)
class Image:
    """``size`` in bytes, as it is stored; 0 before it is ``active``. ``metadata``: what Glance calls properties."""

    id: str
    name: str
    status: str
    size: int
    metadata: Mapping[str, str]


class Images:
    def __init__(self, image: Any, compute: Any) -> None:
        self._images = image
        self._compute = compute

    def get(self, image_id: str) -> Image | None:
        with calling(f"read image {image_id}"):
            answer = self._images.get(f"/images/{image_id}")
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            raise_from_response(answer)
            found = _image(answer.json())
        return None if found.status in _GONE else found

    def all(self) -> list[Image]:
        """Of every project, for administrators."""
        found = map(_image, listed(self._images, "/images?limit=100"))
        return [image for image in found if image.status not in _GONE]

    def find(self, name: str, job_id: str, role: str) -> Image | None:
        """The image that this job made for this role, or None."""
        with calling(f"look for image {name}"):
            answer = self._images.get("/images", params={"name": name})
            raise_from_response(answer)
            named = [_image(i) for i in answer.json()["images"]]
        ours = (i for i in named if i.status not in _GONE)
        return next((i for i in ours if marks.carries(i.metadata, job_id, role)), None)

    def of_server(self, name: str, server_id: str, metadata: Mapping[str, str]) -> str:
        """Have Nova begin an image of the server's root disk, running or stopped; its id, long before it is ``active``.

        Of a running server it is what a power cut at its end would leave. Nova takes its properties from the server's
        own image, besides ``metadata``; should it give up, it deletes the image.
        """
        body = {"createImage": {"name": name, "metadata": dict(metadata)}}
        with calling(f"create image {name}", creates=True):
            answer = self._compute.post(f"/servers/{server_id}/action", json=body, microversion="2.96")
            raise_from_response(answer)
            return str(answer.json()["image_id"])

    def delete(self, image_id: str, *, force: bool = False) -> None:
        """Raises Retry (conflict) where Glance's back-end has disks that were cloned from it.

        ``force`` makes no difference: no image gets stuck on its way out.
        """
        with calling(f"delete image {image_id}"):
            self._images.delete_image(image_id, ignore_missing=True)


def listed(images: Any, path: str) -> Iterator[Mapping[str, Any]]:
    """What Glance tells of each image, page after page; ``path`` is that of the first."""
    while path:
        with calling("list the images"):
            answer = images.get(path)
            raise_from_response(answer)
            told = answer.json()
        yield from told["images"]
        path = str(told.get("next") or "").removeprefix("/v2")


def _image(told: Mapping[str, Any]) -> Image:
    # Glance keeps properties beside its own words, all of them text
    words = {key: value for key, value in told.items() if isinstance(value, str) and key not in _OWN}
    return Image(told["id"], told.get("name") or "", told["status"], int(told.get("size") or 0), words)
