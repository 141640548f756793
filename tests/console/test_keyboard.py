"""What was meant by keys that a terminal sends alike: Esc with a key right behind it, and Alt with that key."""

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key
from textual.widgets import Input

from bmconsole.console.keyboard import meant, tell_escape_apart
from tests.console.conftest import Sit
from tests.console.waiting import until


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("M", ["escape", "M"]),
        ("m", ["escape", "m"]),
        ("7", ["escape", "7"]),
        ("/", ["escape", "slash"]),
        (":", ["escape", "colon"]),
        ("[", ["escape", "left_square_bracket"]),
        (" ", ["escape", "space"]),
        ("\r", ["escape", "enter"]),
        ("\t", ["escape", "tab"]),
    ],
)
def test_esc_and_a_key_right_behind_it_are_two_keys(
    monkeypatch: pytest.MonkeyPatch, typed: str, keys: list[str]
) -> None:
    monkeypatch.setattr(XTermParser, "_sequence_to_key_events", XTermParser._sequence_to_key_events)
    tell_escape_apart()
    parser = XTermParser()
    (event,) = parser._sequence_to_key_events(typed, alt=True)
    assert [key.key for key in meant(event)] == keys
    assert meant(event)[1].character == typed
    (plain,) = parser._sequence_to_key_events(typed)
    assert [key.key for key in meant(plain)] == keys[1:]


def test_esc_key_esc_key_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(XTermParser, "_sequence_to_key_events", XTermParser._sequence_to_key_events)
    tell_escape_apart()
    told = [event for event in XTermParser().feed("\x1bM\x1b\x1b[Ax") if isinstance(event, Key)]
    assert [key.key for event in told for key in meant(event)] == ["escape", "M", "escape", "up", "x"]


def test_a_terminal_that_tells_alt_apart_is_believed() -> None:
    assert [key.key for key in meant(Key("alt+m", None))] == ["alt+m"]


async def test_what_is_typed_ahead_of_a_field_replaces_what_was_in_it(sit: Sit) -> None:
    async with sit() as desk:
        field = Input("449.00", id="there-already")
        await desk.app.mount(field)
        await until(lambda: field.is_attached)
        desk.app.screen.set_focus(field)
        # Not through the pilot: it waits after each key.
        for letter in "231.50":
            desk.app.post_message(Key(letter if letter.isdecimal() else "full_stop", letter))
        await until(lambda: field.value.endswith("231.50"))
        assert field.value == "231.50"
