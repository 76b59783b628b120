"""The calls of the service: ``connection.live_update``."""

from collections.abc import Iterator
from typing import Any

from openstack import proxy

from liveupdate.client.fallback import Fallback
from liveupdate.client.job import Job
from liveupdate.client.preview import Preview


class Proxy(proxy.Proxy):
    """Raises openstack.exceptions for what the service refuses."""

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

    def act_on_job(self, job_id: str, action: str) -> Job:
        return Job.new(id=job_id).act(self, action)

    def job_part(self, job_id: str, part: str) -> Any:
        return Job.new(id=job_id).part(self, part)

    def create_preview(self, **attributes: Any) -> Preview:
        made: Preview = self._create(_open(Preview), **attributes)
        return made

    def previews(self, **query: Any) -> Iterator[Preview]:
        found: Iterator[Preview] = self._list(Preview, **query)
        return found

    def get_preview(self, preview_id: str) -> Preview:
        found: Preview = self._get(Preview, preview_id)
        return found

    # -- fallbacks -------------------------------------------------------------------------------------------------

    def fallbacks(self, **query: Any) -> Iterator[Fallback]:
        found: Iterator[Fallback] = self._list(Fallback, **query)
        return found

    def get_fallback(self, fallback_id: str) -> Fallback:
        found: Fallback = self._get(Fallback, fallback_id)
        return found

    def delete_fallback(self, fallback_id: str) -> Job:
        """End it before its time; the job that does."""
        return Fallback.new(id=fallback_id).end(self)

    def restore_fallback(self, fallback_id: str, **parameters: Any) -> Job:
        """``data_volumes``, ``keep_fallback_days``, ``deadline``, as in the API reference; the job."""
        return Fallback.new(id=fallback_id).restore(self, **parameters)

    def preview_restore(self, fallback_id: str, **parameters: Any) -> Preview:
        return Fallback.new(id=fallback_id).preview(self, **parameters)


def _open(kind: type) -> type:
    """The same resource, taking the method's parameters as they are: the service knows which there are."""
    return type(kind.__name__, (kind,), {"_allow_unknown_attrs_in_body": True})
