"""The samples in etc/ are what the generators write today."""

import subprocess
import sys
from pathlib import Path

import pytest

from liveupdate.testing.samples import log_sample

ETC = Path(__file__).parents[2] / "etc" / "liveupdate"


@pytest.mark.parametrize(
    ("generator", "sample"),
    [("oslo-config-generator", "liveupdate.conf.sample"), ("oslopolicy-sample-generator", "policy.yaml.sample")],
)
def test_a_sample_is_current(generator: str, sample: str, tmp_path: Path) -> None:
    written = tmp_path / sample
    argv = [str(Path(sys.executable).parent / generator), "--namespace", "liveupdate", "--output-file", str(written)]
    subprocess.run(argv, check=True, capture_output=True)
    again = f"{generator} --namespace liveupdate --output-file etc/liveupdate/{sample}"
    assert (ETC / sample).read_text() == written.read_text(), f"write it anew: {again}"


def test_the_sample_of_the_log_is_current() -> None:
    written = (ETC / "log.json.sample").read_text()
    assert written == log_sample(), "write it anew: python -m liveupdate.testing.samples ."
