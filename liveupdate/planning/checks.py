"""How a check becomes a finding."""

from liveupdate.model import Finding, Verdict


def check(code: str, fine: bool, detail: str, remedy: str, *, subject: str = "", warn: bool = False) -> Finding:
    """OK if ``fine``, without words; else a block, or a warning where ``warn`` says that it does no harm."""
    if fine:
        return Finding(code, Verdict.OK, "", "", subject)
    return Finding(code, Verdict.WARN if warn else Verdict.BLOCK, detail, remedy, subject)
