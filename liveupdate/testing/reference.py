"""Reference pages read out of the code: what a preview may find, and every error with its remedy. For docs/conf.py."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import liveupdate

_PACKAGE = Path(liveupdate.__file__).parent
_OURS = "live-update."
_GUEST = re.compile(r"guest\.[a-z-]+")
_GUEST_LITERAL = re.compile(rf'"({_GUEST.pattern})"')
#: Function that makes a finding → which of its arguments are the code, what it says, and the remedy.
_FINDERS = {"check": (0, 2, 3), "_found": (0, 3, 4), "Finding": (0, 2, 3)}


@dataclass(frozen=True)
class Entry:
    code: str
    detail: str
    remedy: str
    #: "block", "warn" or "block or warn"; "" for errors.
    verdict: str = ""


@cache
def findings() -> tuple[Entry, ...]:
    """Every check of the preflights, by code. What is filled in at the time shows as …"""
    found: dict[str, Entry] = {}
    for path in sorted((_PACKAGE / "planning").rglob("*.py")):
        for call, words in _calls(path):
            where = _FINDERS.get(getattr(call.func, "id", ""))
            if where is None or len(call.args) <= where[-1]:
                continue
            code, detail, remedy = (_text(call.args[n], words) for n in where)
            verdict = _verdict(call)
            # a function that passes on what it is given names no code; what is fine needs no remedy
            if "…" in code or not verdict:
                continue
            known = found.get(code, Entry(code, detail, remedy, verdict))
            either = verdict if verdict == known.verdict else "block or warn"
            found[code] = Entry(code, _also(known.detail, detail), _also(known.remedy, remedy), either)
    return tuple(found[code] for code in sorted(found))


def _also(known: str, more: str) -> str:
    """Several checks of one code: what each says."""
    return known if more in known.split(" / ") else f"{known} / {more}"


@cache
def errors() -> tuple[Entry, ...]:
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
    found |= {entry.code: entry for entry in _guest_errors()}
    return tuple(found[code] for code in sorted(found))


def _guest_errors() -> Iterator[Entry]:
    """Those of the in-guest program, which jobs tell as they are. Where a tool fails, its own words are the text."""
    raised: dict[str, Entry] = {}
    passed = set()
    for path in sorted((_PACKAGE / "guest").glob("*.py")):
        for call, words in _calls(path):
            texts = [_text(argument, words) for argument in call.args]
            if getattr(call.func, "id", "") == "GuestError" and _GUEST.fullmatch(texts[0]):
                raised.setdefault(texts[0], Entry(*(*texts, "")[:3]))
        passed |= set(_GUEST_LITERAL.findall(path.read_text()))
    yield from raised.values()
    yield from (Entry(code, "…", "") for code in passed - set(raised))


def findings_page() -> str:
    rows = [f"| `{e.code}` | {e.verdict} | {_cell(e.detail)} | {_cell(e.remedy)} |" for e in findings()]
    return "\n".join([_FINDINGS, "| code | verdict | what it says | remedy |", "|---|---|---|---|", *rows, ""])


def errors_page() -> str:
    rows = [f"| `{e.code}` | {_cell(e.detail)} | {_cell(e.remedy)} |" for e in errors()]
    return "\n".join([_ERRORS, "| code | what it says | remedy |", "|---|---|---|", *rows, ""])


_FINDINGS = """# What a preview may find

Every check has a code that does not change. `block`: the update is not begun; `warn`: it may be. Where a text is
filled in with what was found, it says … here. A server that cannot be looked into is a finding, too: its code is the
[error's](errors.md).
"""
_ERRORS = """# Errors

Every answer that is an error, and every job that stopped, names a code that does not change, and what to do about it.
Where a text is filled in with what was the matter, it says … here. What may pass by itself is tried again before a
job stops at it; where no remedy is told, the text says all that is known. `guest.…` is said by the program that works
inside the servers during an update, often in the words of a tool there.
"""


def _calls(path: Path) -> Iterator[tuple[ast.Call, Mapping[str, ast.expr]]]:
    """Each call, with what the names of its function and its module stand for, where they are assigned once."""
    tree = ast.parse(path.read_text())
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        defaults = dict(zip([a.arg for a in reversed(scope.args.args)], reversed(scope.args.defaults), strict=False))
        words: dict[str, ast.expr] = {**_assigned(tree.body), **defaults, **_assigned(ast.walk(scope))}
        for node in ast.walk(scope):
            if isinstance(node, ast.Call):
                yield node, words


def _assigned(nodes: Iterable[ast.AST]) -> dict[str, ast.expr]:
    found = [node for node in nodes if isinstance(node, ast.Assign) and len(node.targets) == 1]
    return {node.targets[0].id: node.value for node in found if isinstance(node.targets[0], ast.Name)}


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
    if isinstance(node, ast.FormattedValue) and getattr(node.value, "id", "").isupper():
        return _text(node.value, words, depth)
    if isinstance(node, ast.ListComp):
        return _text(node.elt, words, depth)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "join":
        return _text(node.args[0], words, depth)
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body, words, depth)} / {_text(node.orelse, words, depth)}"
    if isinstance(node, ast.Name) and node.id in words and depth:
        return _text(words[node.id], words, depth - 1)
    return "…"


def _verdict(call: ast.Call) -> str:
    """What it may be besides fine: "" for one that is only made where all is well."""
    if isinstance(said := call.args[1], ast.Attribute) and getattr(said.value, "id", "") == "Verdict":
        return {"BLOCK": "block", "WARN": "warn"}.get(said.attr, "")
    warn: Any = next((keyword.value for keyword in call.keywords if keyword.arg == "warn"), None)
    if warn is None:
        return "block"
    return "warn" if isinstance(warn, ast.Constant) and warn.value else "block or warn"


def _cell(text: str) -> str:
    while "……" in text:
        text = text.replace("……", "…")
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
