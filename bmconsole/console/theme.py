"""The console's own themes: quiet greys, one accent, colour only where something wants attention."""

from dataclasses import dataclass

from textual.theme import Theme

from bmconsole.console.look import Tone

# The dark greys are chosen so that a terminal of 256 colours still tells them apart: Rich rounds a saturated dark
# colour to black, a nearly grey one (and the cursor's blue) to a step of its own.
DARK = Theme(
    name="bmconsole",
    primary="#7aa2c8",
    secondary="#8f9db3",
    accent="#e0b26a",
    warning="#e0b26a",
    error="#e2777a",
    success="#86b991",
    foreground="#cdd3de",
    background="#131519",
    surface="#181a1f",
    panel="#20242a",
    dark=True,
    variables={
        "tone-dim": "#76808f",
        "row-odd": "#17191d",
        "row-cursor": "#27304b",
        "row-cursor-blurred": "#292d34",
        "badge-text": "#131519",
        "block-cursor-text-style": "none",
        "border": "#39424f",
        "border-blurred": "#2a313c",
        "scrollbar": "#2f3743",
        "scrollbar-hover": "#414c5c",
        "scrollbar-active": "#55637a",
        "scrollbar-background": "#131519",
        "scrollbar-background-hover": "#131519",
        "scrollbar-background-active": "#131519",
        "scrollbar-corner-color": "#131519",
        "input-selection-background": "#7aa2c8 35%",
    },
)
LIGHT = Theme(
    name="bmconsole-light",
    primary="#2f6597",
    secondary="#5d6b80",
    accent="#96610a",
    warning="#96610a",
    error="#b3343c",
    success="#2f7443",
    foreground="#262c36",
    background="#f7f7f4",
    surface="#f1f1ed",
    panel="#e5e6e2",
    dark=False,
    variables={
        "tone-dim": "#6d7582",
        "row-odd": "#f0f0ec",
        "row-cursor": "#d3dfea",
        "row-cursor-blurred": "#e6e9ea",
        "badge-text": "#fbfbf9",
        "block-cursor-text-style": "none",
        "border": "#b9bdc4",
        "border-blurred": "#d3d5d6",
        "scrollbar": "#c9ccd0",
        "scrollbar-hover": "#b3b8be",
        "scrollbar-active": "#98a0aa",
        "scrollbar-background": "#f7f7f4",
        "scrollbar-background-hover": "#f7f7f4",
        "scrollbar-background-active": "#f7f7f4",
        "scrollbar-corner-color": "#f7f7f4",
        "input-selection-background": "#2f6597 25%",
    },
)

DEFAULTS = {
    "tone-dim": "#808a98",
    "row-odd": "$surface",
    "row-cursor": "$panel",
    "row-cursor-blurred": "$surface",
    "badge-text": "$background",
    "mark-text": "#101214",
    "mark-red": "#e06c75",
    "mark-orange": "#d8935a",
    "mark-yellow": "#d9bf5b",
    "mark-green": "#83b573",
    "mark-cyan": "#5fb0b7",
    "mark-blue": "#6a9fd8",
    "mark-magenta": "#c07fc9",
}
"""The console's own variables under themes that do not define them."""


@dataclass(frozen=True, slots=True)
class ToneLook:
    """The variables of a tone's letters and ground; empty: as they are."""

    colour: str = ""
    ground: str = ""
    bold: bool = False


TONES = {
    Tone.PLAIN: ToneLook(),
    Tone.DIM: ToneLook("tone-dim"),
    Tone.STRONG: ToneLook(bold=True),
    Tone.KEY: ToneLook("primary"),
    Tone.GOOD: ToneLook("success"),
    Tone.WARN: ToneLook("warning"),
    Tone.BAD: ToneLook("error", bold=True),
    Tone.BADGE_GOOD: ToneLook("badge-text", "success", bold=True),
    Tone.BADGE_WARN: ToneLook("badge-text", "warning", bold=True),
    Tone.BADGE_BAD: ToneLook("badge-text", "error", bold=True),
    # What marks a profile looks alike under every theme: people know their shop by it
    **{tone: ToneLook("mark-text", tone.value, bold=True) for tone in Tone if tone.name.startswith("MARK_")},
}
"""How each tone looks under any theme."""
