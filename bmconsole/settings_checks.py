"""What a setting's value has to look like, each check with a message for people and the way out."""

import re
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bmconsole.domain.markets import MARKETS
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.settings_file import nearest

ACCESS = ("viewer", "operator", "admin")
"""What a profile may do, from least to most."""

MODES = ("off", "observe", "suggest", "auto")

LIMITS = (
    *("edge", "sensitive", "competitors", "sku_lines", "listings_bi"),
    *("care", "care_day", "care_folder", "care_folder_day", "care_problem", "care_problem_day"),
    *("care_message", "care_message_day", "care_transfer", "care_transfer_day", "care_refund_day"),
)
"""The limits of the API that `limits.NAME` may replace."""

SCHEDULE = {"orders": "15m", "listings": "1h", "backbox": "1h", "repricing": "1h", "watch": "60s"}
"""The engine's timers with their default interval."""

HAPPENINGS = ("new-order", "late", "box-lost", "guard", "sync-broken", "write-unfinished")
"""What `notify.events` may name."""

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "magenta")
"""What `colour` may be: the mark of a profile, so that nobody works in the wrong shop."""

_USER_AGENT = re.compile(r"BM-[!-:<-~ ]+-[!-:<-~ ]+; ?[!-:<-?A-~]+@[!-:<-?A-~]+")
_LIMIT = re.compile(r"(?P<limit>\d{1,9})/(?P<window>\d{1,7}(?:\.\d{1,3})?)")
_VAT = re.compile(r"none|(?:regular|margin) (?P<rate>\d{1,2}(?:\.\d{1,3})?)")


def _wrong(message: str, hint: str = "") -> PydanticCustomError:
    # The text goes in as context: as the message itself its braces would be taken for placeholders
    return PydanticCustomError("bmconsole", "{text}", {"text": message, "hint": hint})


def as_text(value: object) -> object:
    """Return a number as text: TOML and JSON give numbers where text is meant; the checks say what is wrong with it."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def as_list(value: object) -> object:
    """Return text with commas as the list that it stands for."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def known_markets(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Check the codes of `markets`: known, at least one, all of one region."""
    for code in codes:
        if code.lower() not in MARKETS:
            raise _wrong(f"there is no market “{clean(code, limit=40)}”.", nearest(code, MARKETS))
    known = tuple(dict.fromkeys(code.lower() for code in codes))
    if not known:
        raise _wrong("names no market.", 'Write markets = "fr-fr,de-de"; the first is the main one.')
    if len({MARKETS[code].region for code in known}) > 1:
        regions = ", ".join(f"{code} {MARKETS[code].region}" for code in known)
        raise _wrong(
            f"the markets are of several regions ({regions}).", "A token is for one region: make a profile each."
        )
    return known


def known_happenings(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check the names of `notify.events`."""
    for name in names:
        if name.lower() not in HAPPENINGS:
            raise _wrong(f"nothing is called “{clean(name, limit=40)}”.", nearest(name, HAPPENINGS))
    return tuple(dict.fromkeys(name.lower() for name in names))


def one_of(*values: str) -> AfterValidator:
    """Check that a text is one of `values`, in any case."""

    def check(text: str) -> str:
        if text.lower() not in values:
            raise _wrong(f"“{clean(text, limit=40)}” is none of {', '.join(values)}.", nearest(text, values))
        return text.lower()

    return AfterValidator(check)


def user_agent(text: str) -> str:
    """Check the form that Back Market asks for: `BM-Company-Integration;mail`."""
    if not _USER_AGENT.fullmatch(text):
        raise _wrong(
            "is not what Back Market asks for.",
            "Write BM-Company-Integration;mail, such as BM-Acme-Console;it@acme.example.",
        )
    return text


def limit(text: str) -> str:
    """Check a limit, written as `requests/seconds`."""
    match = _LIMIT.fullmatch(text)
    if match is None or int(match["limit"]) == 0 or Decimal(match["window"]) == 0:
        raise _wrong(f"“{clean(text, limit=40)}” is not a limit.", "Write requests per seconds, such as 200/10.")
    return text


def interval(text: str) -> str:
    """Check an interval of the schedule: a duration or `off`."""
    if text.lower() == "off":
        return "off"
    try:
        parse_duration(text)
    except ValueError:
        raise _wrong(
            f"“{clean(text, limit=40)}” is not a duration of at least one second.", "Write 30s, 15m, 1h or off."
        ) from None
    return text.strip()


def timezone(name: str) -> str:
    """Check the name of a zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(
            f"there is no time zone “{clean(name, limit=60)}”.", "Write a name such as Europe/Paris."
        ) from None
    return name


def vat(text: str) -> str:
    """Check a VAT scheme: `none`, or `regular` or `margin` with a rate in percent."""
    text = " ".join(text.lower().split())
    match = _VAT.fullmatch(text)
    if match is None or (match["rate"] is not None and Decimal(match["rate"]) == 0):
        raise _wrong(f"“{clean(text, limit=40)}” is not a VAT scheme.", "Write none, regular 20 or margin 20.")
    return text
