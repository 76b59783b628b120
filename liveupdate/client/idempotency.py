"""The key that makes a request safe to repeat: a header, though it is given among the attributes."""

from collections.abc import Mapping
from typing import Any

HEADER = "Idempotency-Key"


def keyed(attributes: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The request's headers, and the attributes without ``idempotency_key``, which may be None or missing."""
    key = attributes.get("idempotency_key")
    return {HEADER: key} if key else {}, {k: v for k, v in attributes.items() if k != "idempotency_key"}
