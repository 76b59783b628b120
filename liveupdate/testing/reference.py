"""Reference pages read out of the code: what a preview may find, and every error with its remedy. For docs/conf.py."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import liveupdate

_PACKAGE = Path(liveupdate.__file__).parent
_OURS = "live-update."


@dataclass(frozen=True)
class Entry:
    code: str
    detail: str
    remedy: str
    #: "block", "warn" or "block or warn"; "" for errors.
    verdict: str = ""


def findings() -> list[Entry]:
    """Every check of the preflights, by code. What is filled in at the time shows as …"""
    found = {}
    for path in sorted((_PACKAGE / "planning").glob("*_findings.py")):
        for call, words in _calls(path):
            if getattr(call.func, "id", "") == "check" and len(call.args) >= 4:
                code, _, detail, remedy = (_text(argument, words) for argument in call.args[:4])
                found[code] = Entry(code, detail, remedy, _verdict(call))
    return [found[code] for code in sorted(found)]


def errors() -> list[Entry]:
    """Every error that names a code where it is raised, by code; one that several places raise is told once."""
    found: dict[str, Entry] = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        for call, words in _calls(path):
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            code = _text(named["code"], words) if "code" in named else ""
            if not code.startswith(_OURS) or "…" in code or not call.args:
                continue
            # Retry and the like say when before they say why
            told = [text for argument in call.args[:2] if (text := _text(argument, words)) != "…"]
            remedy = _text(named["remedy"], words) if "remedy" in named else ""
            found.setdefault(code, Entry(code, told[0] if told else "", remedy))
    return [found[code] for code in sorted(found)]


def findings_page() -> str:
    rows = [f"| `{e.code}` | {e.verdict} | {_cell(e.detail)} | {_cell(e.remedy)} |" for e in findings()]
    return "\n".join([_FINDINGS, "| code | verdict | what it says | remedy |", "|---|---|---|---|", *rows, ""])


def errors_page() -> str:
    rows = [f"| `{e.code}` | {_cell(e.detail)} | {_cell(e.remedy)} |" for e in errors()]
    return "\n".join([_ERRORS, "| code | what it says | remedy |", "|---|---|---|", *rows, ""])


_FINDINGS = """# What a preview may find

Every check has a code that does not change. `block`: the update is not begun; `warn`: it may be. Where a text is
filled in with what was found, it says … here.
"""
_ERRORS = """# Errors

Every answer that is an error, and every job that stopped, names a code that does not change, and what to do about it.
Where a text is filled in with what was the matter, it says … here.
"""


def _calls(path: Path) -> Iterator[tuple[ast.Call, Mapping[str, ast.expr]]]:
    """Each call, with what the names of its function stand for where they are assigned once."""
    tree = ast.parse(path.read_text())
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        words: dict[str, ast.expr] = {}
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                words[node.targets[0].id] = node.value
        for node in ast.walk(scope):
            if isinstance(node, ast.Call):
                yield node, words


def _text(node: ast.expr, words: Mapping[str, ast.expr], depth: int = 3) -> str:
    """The words of a literal; … for what is only known at the time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, words, depth) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, words, depth) + _text(node.right, words, depth)
    if isinstance(node, ast.BoolOp):
        return _text(node.values[-1], words, depth)
    if isinstance(node, ast.Name) and node.id in words and depth:
        return _text(words[node.id], words, depth - 1)
    return "…"


def _verdict(call: ast.Call) -> str:
    warn: Any = next((keyword.value for keyword in call.keywords if keyword.arg == "warn"), None)
    if warn is None:
        return "block"
    return "warn" if isinstance(warn, ast.Constant) and warn.value else "block or warn"


def _cell(text: str) -> str:
    while "……" in text:
        text = text.replace("……", "…")
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
