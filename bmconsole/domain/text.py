"""The one way by which a string from the network becomes fit for a terminal, a log or a CSV."""

import re

# C0, DEL, C1, surrogates, the bidirectional controls, zero-width and line separators: what can move a cursor,
# reorder text or hide it. Tabs and newlines become spaces, the rest a visible replacement.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPACES = re.compile(r"[ \t\r\n\u2028\u2029]+")
_ELLIPSIS = "…"


def clean(value: object, *, limit: int = 2_000) -> str:
    """Return `value` as one printable line of at most `limit` characters, safe for any terminal.

    Control characters, escape sequences and bidirectional controls become U+FFFD, white space runs one space.
    """
    text = value if isinstance(value, str) else str(value)
    if len(text) <= limit and text.isprintable() and "  " not in text and text.strip(" ") == text:
        # What is printable to Python has none of the controls, and of white space only the blank.
        return text
    if len(text) > limit * 4:
        text = text[: limit * 4]
    text = _CONTROLS.sub("\ufffd", _SPACES.sub(" ", text)).strip()
    return text if len(text) <= limit else text[: limit - 1] + _ELLIPSIS
