"""The lab's passwords: each generated at first use and kept in a file only its owner can read."""

import json
import os
import secrets
import threading

from lab import settings

FILE = settings.STATE / "secrets.json"
_lock = threading.Lock()


def password(name: str) -> str:
    """The password called name, the same at every call. Safe in URLs, INI files and YAML without quoting."""
    with _lock:
        known: dict[str, str] = json.loads(FILE.read_text()) if FILE.exists() else {}
        if name not in known:
            known[name] = secrets.token_hex(16)
            write_private(FILE, json.dumps(known, indent=2) + "\n")
        return known[name]


def write_private(path: os.PathLike[str], text: str) -> None:
    """Replace the file with text in one step; nobody but the owner may read it at any moment."""
    draft = f"{os.fspath(path)}.draft"
    os.makedirs(os.path.dirname(draft), mode=0o700, exist_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(draft, path)
