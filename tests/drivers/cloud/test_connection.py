"""Signing in for a job: what is told where the requester's trust does not hold any more."""

from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import exceptions as auth

from liveupdate.drivers.cloud import Clouds
from liveupdate.errors import LiveUpdateError
from liveupdate.testing.context import job

# openstacksdk warns of what it will not support one day
pytestmark = pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning")

CLOUDS = """\
clouds:
  liveupdate:
    auth: {auth_url: http://keystone.invalid/v3, username: liveupdate, password: secret, user_domain_name: Default}
"""


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (auth.NotFound("Could not find trust: t."), "live-update.trust.gone"),
        (auth.Forbidden("Trustor is disabled."), "live-update.trust.gone"),
        (auth.Unauthorized("no such password"), "live-update.cloud.unauthorized"),
        (auth.ServiceUnavailable("later"), "live-update.cloud.unavailable"),
    ],
)
def test_a_trust_that_is_gone_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Exception, code: str
) -> None:
    (tmp_path / "clouds.yaml").write_text(CLOUDS)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))

    def refuse(*_: Any) -> None:
        raise refused

    monkeypatch.setattr(Clouds, "_connection", refuse)
    with pytest.raises(LiveUpdateError) as told:
        Clouds("liveupdate").user(job())
    assert told.value.code == code
    assert ("cleanup" in told.value.remedy) == (code == "live-update.trust.gone")
