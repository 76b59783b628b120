"""Sphinx: make docs. The reference pages are read out of the code each time, so that they cannot be out of date."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from liveupdate import __version__  # noqa: E402
from liveupdate.testing import api_reference, reference  # noqa: E402

project = "liveupdate"
author = "the liveupdate authors"
version = release = __version__
extensions = ["myst_parser", "reno.sphinxext"]
exclude_patterns = ["notifications/*.json"]
html_theme = "alabaster"
html_theme_options = {"description": "Updates running servers without rebooting their workload", "fixed_sidebar": True}
myst_heading_anchors = 3

_GENERATED = HERE / "generated"
_GENERATED.mkdir(exist_ok=True)
for _name, _page in (
    ("api.md", api_reference.api_page),
    ("policy.md", api_reference.policy_page),
    ("findings.md", reference.findings_page),
    ("errors.md", reference.errors_page),
):
    (_GENERATED / _name).write_text(_page())
