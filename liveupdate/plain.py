"""Text of strangers, made fit for logs, terminals and databases."""

import re

#: What a terminal takes for orders: CSI; OSC and the other strings, up to their end; the short ones.
_ORDERS = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)


def plain(text: str, most: int = 8000) -> str:
    """``text`` without terminal orders and with U+FFFD for what cannot be seen; what is beyond ``most`` is cut off."""
    # of what is far too long, the rest is not even looked at
    seen = _ORDERS.sub("", text[: 4 * most].replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in seen[:most])


def one_line(text: str) -> str:
    """As ``plain``, its line breaks written as \\n: nobody begins a line of his own."""
    return plain(text).replace("\n", "\\n")
