"""Keys typed faster than the screen follows: what was meant by them, and typing into a field at once."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from textual._xterm_parser import XTermParser
from textual.events import Key
from textual.widgets import Input

_ALT, _ESCAPE = "alt+", "\x1b"
_as_parsed = XTermParser._sequence_to_key_events


def _with_alt(parser: XTermParser, sequence: str, alt: bool = False) -> Iterable[Key]:
    if sequence == _ESCAPE:
        # Textual would make a ^ of an Esc that came with other keys.
        yield Key(_ALT + "escape", _ESCAPE)
        return
    for key in _as_parsed(parser, sequence, alt=alt):
        yield Key(_ALT + key.key, key.character) if alt and _ALT not in key.key else key


def tell_escape_apart() -> None:
    """Let no Esc get lost that another key follows at once.

    Most terminals send the same for Esc and a key as for Alt and that key. Textual takes both for Alt, and forgets
    even that where the key is no letter and no digit: `meant` could not tell any more.
    """
    XTermParser._sequence_to_key_events = _with_alt  # type: ignore[assignment, method-assign]  # there is no other way in


def meant(key: Key) -> tuple[Key, ...]:
    """Return what was typed, where Alt and a key mean nothing: Esc, then that key."""
    if not key.key.startswith(_ALT) or key.character is None:
        # A terminal that tells Esc apart by itself gives no character with Alt.
        return (key,)
    if key.character == _ESCAPE:
        return (Key("escape", _ESCAPE),)
    letter = key.character.isalnum()
    return Key("escape", _ESCAPE), Key(key.character if letter else key.key.removeprefix(_ALT), key.character)


async def entered(field: Input) -> None:
    """Return once a field that was given the focus knows it: it selects all that is in it, and typing replaces that."""
    if not field.has_focus:
        told = asyncio.Event()
        if field.call_later(told.set):
            with suppress(TimeoutError):
                # One that is being taken away may never get to it.
                await asyncio.wait_for(told.wait(), 1.0)


def type_into(field: Input, text: str) -> None:
    """Type a text at the cursor of a field, in place of what is selected."""
    if field.selection.is_empty:
        field.insert_text_at_cursor(text)
    else:
        field.replace(text, *field.selection)
