"""The markets of Back Market: their code, country, currency, region and zone."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Market:
    """One country's storefront.

    `code` is what Accept-Language carries (`fr-fr`), `country` what backbox answers carry (`FR`, None where the API
    has no code for it), `zone` the platform's zone in which dates without an offset are meant.
    """

    code: str
    country: str | None
    currency: str
    region: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(_ZONES[self.region])


_ZONES = {"EU": "Europe/Paris", "NA": "America/New_York", "AP": "Asia/Tokyo"}
_CURRENCIES = {"en-gb": "GBP", "en-us": "USD", "ja-jp": "JPY", "en-au": "AUD", "sv-se": "SEK"}
_COUNTRIES = {"el-gr": "GR", "en-au": None}
_CODES = {
    "EU": "fr-fr fr-be es-es de-de de-at it-it en-gb nl-nl pt-pt en-ie el-gr sk-sk sv-se fi-fi",
    "NA": "en-us",
    "AP": "ja-jp en-au",
}

MARKETS: dict[str, Market] = {
    code: Market(code, _COUNTRIES.get(code, code[-2:].upper()), _CURRENCIES.get(code, "EUR"), region)
    for region, codes in _CODES.items()
    for code in codes.split()
}
"""Every known market by its code."""


def market(code: str) -> Market:
    """Return the market of `code` (any case).

    Raises:
        KeyError: Not a market that Back Market has.
    """
    return MARKETS[code.strip().lower()]
