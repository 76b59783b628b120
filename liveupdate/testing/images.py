"""Golden images of a cloud in memory; see cloud.py. They are kept twice: as any image, and with what they name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from liveupdate.drivers.cloud.golden_images import READY, Disk, GoldenImage
from liveupdate.drivers.cloud.images import Image
from liveupdate.testing.verbs import Verbs


class GoldenImages(Verbs):
    def all(self, project_id: str = "") -> list[GoldenImage]:
        return [i for i in self.world.golden.values() if project_id in ("", i.owner) and self.get(i.id)]

    def get(self, image_id: str) -> GoldenImage | None:
        found = self.world.golden.get(image_id)
        return found if found and image_id in self.world.images and READY in found.properties else None

    def create(
        self, name: str, disks: Sequence[Disk], min_disk: int, min_ram: int, properties: Mapping[str, str]
    ) -> str:
        def work() -> str:
            made = Image(self.world.new_id("image"), name, "queued", 0, dict(properties))
            self.world.images[made.id] = made
            self.world.golden[made.id] = GoldenImage(
                made.id, name, "queued", "project", "2026-01-01", min_disk, min_ram, tuple(disks), dict(properties)
            )
            return made.id

        return str(self._do("create_image", work))

    def fill(self, image_id: str) -> None:
        def work() -> None:
            self._refuse(self.world.images[image_id].status == "active", "it is active")
            self.world.images[image_id] = replace(self.world.images[image_id], status="active")
            self.world.golden[image_id] = replace(self.world.golden[image_id], status="active")

        self._do("fill_image", work)

    def publish(self, image_id: str, name: str) -> None:
        def work() -> None:
            told = {**self.world.images[image_id].metadata, READY: "yes"}
            self.world.images[image_id] = replace(self.world.images[image_id], name=name, metadata=told)
            self.world.golden[image_id] = replace(self.world.golden[image_id], name=name, properties=told)

        self._do("publish_image", work)
