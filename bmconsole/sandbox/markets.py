"""The markets of the marketplace as its documents list them, and amounts of money in their currencies."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Market:
    """A market: its code (`fr-fr`), the backbox's country code, and how its prices are written.

    `rate` is what a euro buys, for inventing prices only. `country` is None where the backbox has no code; `exponent`
    is how many decimals the currency has.
    """

    code: str
    country: str | None
    currency: str
    rate: float
    region: str
    exponent: int = 2

    @property
    def is_default_currency(self) -> bool:
        """Whether a listing write may leave the currency out: the platform's own, EUR in Europe, USD in America."""
        return (self.region, self.currency) in {("EU", "EUR"), ("NA", "USD")}


_EURO = ("fr-fr FR", "fr-be BE", "es-es ES", "de-de DE", "de-at AT", "it-it IT", "nl-nl NL", "pt-pt PT", "en-ie IE")
_ALL = [
    *(Market(code, country, "EUR", 1.0, "EU") for code, country in map(str.split, _EURO)),
    Market("el-gr", "GR", "EUR", 1.0, "EU"),
    Market("sk-sk", "SK", "EUR", 1.0, "EU"),
    Market("fi-fi", "FI", "EUR", 1.0, "EU"),
    Market("en-gb", "GB", "GBP", 0.86, "EU"),
    Market("sv-se", "SE", "SEK", 11.3, "EU"),
    Market("en-us", "US", "USD", 1.08, "NA"),
    Market("ja-jp", "JP", "JPY", 162.0, "AP", exponent=0),
    Market("en-au", None, "AUD", 1.65, "AP"),
]
MARKETS = {market.code: market for market in _ALL}

# Dates without an offset are in the platform's own zone.
PLATFORM_ZONE = {
    "EU": ZoneInfo("Europe/Paris"),
    "NA": ZoneInfo("America/New_York"),
    "AP": ZoneInfo("Asia/Tokyo"),
}


def decimal_text(minor: int, exponent: int) -> str:
    """Return minor units as the API writes them: `44900` is `449.00`, yen stay whole."""
    if exponent == 0:
        return str(minor)
    sign = "-" if minor < 0 else ""
    whole, rest = divmod(abs(minor), 100)
    return f"{sign}{whole}.{rest:02d}"


def decimal_number(minor: int, exponent: int) -> int | float:
    """Return minor units as a JSON number, which is how `max_price` comes."""
    return minor if exponent == 0 else minor / 100
