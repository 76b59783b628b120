"""How a check becomes a finding."""

from collections.abc import Mapping, Sequence

from liveupdate.errors import Failed
from liveupdate.model import Finding, Verdict


def check(code: str, fine: bool, detail: str, remedy: str, *, subject: str = "", warn: bool = False) -> Finding:
    """OK if ``fine``, without words; else a block, or a warning where ``warn`` says that it does no harm."""
    if fine:
        return Finding(code, Verdict.OK, "", "", subject)
    return Finding(code, Verdict.WARN if warn else Verdict.BLOCK, detail, remedy, subject)


def quota(
    needed: Mapping[str, int], left: Mapping[str, int], remedy: str = "raise the project's quota, or free some"
) -> Finding:
    """``left``: name → how many more, unlimited ones missing; what is not ``needed`` does not matter."""
    short = [
        f"{name}: {needed[name]} needed, {more} left"
        for name, more in sorted(left.items())
        if name in needed and more < needed[name]
    ]
    return check("project.quota", not short, "; ".join(short), remedy)


def worst(findings: Sequence[Finding]) -> Verdict:
    order = list(Verdict)
    return max((f.verdict for f in findings), key=order.index, default=Verdict.OK)


def refusal(findings: Sequence[Finding]) -> Failed:
    """The failure of a job that its findings forbid, naming all that stand in the way."""
    blocks = [f for f in findings if f.verdict == Verdict.BLOCK]
    named = "; ".join(f"{f.code}{f' ({f.subject})' if f.subject else ''}: {f.detail}" for f in blocks)
    return Failed(
        f"the preflight found what stands in the way: {named}",
        user_fault=True,
        code="live-update.preflight.blocked",
        remedy="; ".join(dict.fromkeys(f.remedy for f in blocks if f.remedy)),
    )
