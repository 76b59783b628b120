"""What the cloud's errors mean to a step."""

import pytest
import requests
from keystoneauth1 import exceptions as auth
from openstack import exceptions as sdk

from liveupdate.drivers.cloud.errors import calling
from liveupdate.errors import Failed, LiveUpdateError, Retry, Unknown


def http(status: int, detail: str = "no") -> sdk.HttpException:
    response = requests.Response()
    response.status_code = status
    return sdk.HttpException(message=detail, response=response)


def told(error: Exception, *, creates: bool = False) -> LiveUpdateError:
    with pytest.raises(LiveUpdateError) as caught, calling("make it", creates=creates):
        raise error
    return caught.value


@pytest.mark.parametrize("error", [http(500), http(503), auth.ConnectFailure("x"), auth.ServiceUnavailable("x")])
def test_no_answer_is_worth_another_try_but_leaves_a_creation_in_doubt(error: Exception) -> None:
    assert isinstance(told(error), Retry)
    assert isinstance(told(error, creates=True), Unknown)


@pytest.mark.parametrize("status", [409, 429])
def test_a_conflict_passes(status: int) -> None:
    assert isinstance(told(http(status), creates=True), Retry)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "live-update.cloud.refused"),
        (401, "live-update.cloud.unauthorized"),
        (403, "live-update.cloud.forbidden"),
        (404, "live-update.cloud.not-found"),
        (413, "live-update.cloud.quota"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(status: int, code: str) -> None:
    failed = told(http(status))
    assert isinstance(failed, Failed)
    assert failed.code == code
    assert failed.remedy
    assert "make it" in failed.detail


def test_a_quota_is_told_from_other_refusals() -> None:
    failed = told(http(403, "Quota exceeded for instances"))
    assert isinstance(failed, Failed)
    assert (failed.code, failed.user_fault) == ("live-update.cloud.quota", True)
