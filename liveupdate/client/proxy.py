"""The calls of the service: ``connection.live_update``."""

from collections.abc import Iterator
from typing import Any

from openstack import proxy

from liveupdate.client.fallback import Fallback
from liveupdate.client.host_group import HostGroup
from liveupdate.client.image import Image
from liveupdate.client.job import Job
from liveupdate.client.method import Method
from liveupdate.client.placement import Placement
from liveupdate.client.preview import Preview


class Proxy(proxy.Proxy):
    """Raises openstack.exceptions for what the service refuses.

    What makes a job or a preview takes an ``idempotency_key`` besides: the same request with the same key makes one.
    """

    def create_job(self, **attributes: Any) -> Job:
        """``method``, ``server_id`` and the method's parameters, as in the API reference."""
        made: Job = self._create(_open(Job), **attributes)
        return made

    def jobs(self, **query: Any) -> Iterator[Job]:
        found: Iterator[Job] = self._list(Job, **query)
        return found

    def get_job(self, job_id: str) -> Job:
        found: Job = self._get(Job, job_id)
        return found

    def act_on_job(self, job_id: str, action: str, **more: str) -> Job:
        """See Job.act."""
        return Job.new(id=job_id).act(self, action, **more)

    def job_steps(self, job_id: str) -> dict[str, Any]:
        """Its steps with the time that is left, and the blackout; see Job.steps."""
        return Job.new(id=job_id).steps(self)

    def job_part(self, job_id: str, part: str) -> Any:
        return Job.new(id=job_id).part(self, part)

    def watch_job(self, job_id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """The job's events as they happen, until it has ended."""
        return Job.new(id=job_id).watch(self, after)

    def create_preview(self, **attributes: Any) -> Preview:
        made: Preview = self._create(_open(Preview), **attributes)
        return made

    def previews(self, **query: Any) -> Iterator[Preview]:
        found: Iterator[Preview] = self._list(Preview, **query)
        return found

    def get_preview(self, preview_id: str) -> Preview:
        found: Preview = self._get(Preview, preview_id)
        return found

    def methods(self, **query: Any) -> Iterator[Method]:
        found: Iterator[Method] = self._list(Method, **query)
        return found

    # -- fallbacks -------------------------------------------------------------------------------------------------

    def fallbacks(self, **query: Any) -> Iterator[Fallback]:
        found: Iterator[Fallback] = self._list(Fallback, **query)
        return found

    def get_fallback(self, fallback_id: str) -> Fallback:
        found: Fallback = self._get(Fallback, fallback_id)
        return found

    def delete_fallback(self, fallback_id: str, **key: Any) -> Job:
        """End it before its time; the job that does."""
        return Fallback.new(id=fallback_id).end(self, **key)

    def restore_fallback(self, fallback_id: str, **parameters: Any) -> Job:
        """``data_volumes``, ``keep_fallback_days``, ``deadline``, as in the API reference; the job."""
        return Fallback.new(id=fallback_id).restore(self, **parameters)

    def preview_restore(self, fallback_id: str, **parameters: Any) -> Preview:
        return Fallback.new(id=fallback_id).preview(self, **parameters)

    # -- images ----------------------------------------------------------------------------------------------------

    def images(self, **query: Any) -> Iterator[Image]:
        """The project's golden images, newest first."""
        found: Iterator[Image] = self._list(Image, **query)
        return found

    def get_image(self, image_id: str) -> Image:
        found: Image = self._get(Image, image_id)
        return found

    def find_image(self, name_or_id: str) -> Image:
        found: Image = self._find(Image, name_or_id, ignore_missing=False)
        return found

    def capture_image(self, **attributes: Any) -> Job:
        """``server_id``, ``name``, ``volumes``; the job that makes the image."""
        return Image.capture(self, attributes)

    def preview_capture(self, **attributes: Any) -> Preview:
        return Image.check(self, attributes)

    def deploy_image(self, image_id: str, **attributes: Any) -> Job:
        """``name``, ``count``, ``flavor_id``, ``network_id`` and what the API reference has besides; the job."""
        return Image.new(id=image_id).deploy(self, attributes)

    def delete_image(self, image_id: str, **key: Any) -> Job:
        """With the snapshots behind it; the job that does."""
        return Image.new(id=image_id).end(self, **key)

    # -- hosts -----------------------------------------------------------------------------------------------------

    def host_groups(self, **query: Any) -> Iterator[HostGroup]:
        found: Iterator[HostGroup] = self._list(HostGroup, **query)
        return found

    def get_host_group(self, name: str) -> HostGroup:
        found: HostGroup = self._get(HostGroup, name)
        return found

    def create_host_group(self, **attributes: Any) -> HostGroup:
        """``name``, ``policy``, ``fill_ceiling``, ``minimum_paths``, ``make_room``, ``without_metrics``."""
        made: HostGroup = self._create(HostGroup, **attributes)
        return made

    def update_host_group(self, name: str, **attributes: Any) -> HostGroup:
        """What is not named stays."""
        changed: HostGroup = self._update(HostGroup, name, **attributes)
        return changed

    def delete_host_group(self, name: str) -> None:
        self._delete(HostGroup, name, ignore_missing=False)

    def add_host_to_group(self, name: str, host: str) -> HostGroup:
        return HostGroup.new(id=name).add_host(self, host)

    def remove_host_from_group(self, name: str, host: str) -> HostGroup:
        return HostGroup.new(id=name).remove_host(self, host)

    def explain_placement(self, server_id: str, **wishes: str) -> Placement:
        """Judge every host for a twin of the server; changes nothing. ``wishes``: ``group``, ``same_host``."""
        told: Placement = self._create(Placement, server_id=server_id, **wishes)
        return told

    def get_placement(self, job_id: str) -> Placement:
        """How the job's surrogate was placed."""
        found: Placement = self._get(Placement, job_id)
        return found


def _open(kind: type) -> type:
    """The same resource, taking the method's parameters as they are: the service knows which there are."""
    return type(kind.__name__, (kind,), {"_allow_unknown_attrs_in_body": True})
