"""Carriers: the names that Back Market knows, and a guess from the look of a tracking number."""

import re
from difflib import get_close_matches

SHIPPERS = tuple(
    """Allied Express|Aramex Australia|Australia Post|Australia Post Express|Austrian Post|BPost|BRT|Chronopost
    |Chronopost Express|ColisPrivé|Colissimo|Correos|Correos Express|Couriers Please|CTT|Cubyn|Cubyn Express|DB Schenker
    |Deutsche Post|DHL|DHL DE|DHL Express|DHL NL|DHL Parcel Spain|DHL SP|DPD|DPD Benelux|DPD DE|DPD FR
    |DPD International|DPD UK|DPD UK Express|DTDC Australia|FedEx|FedEx - 2Days|FedEx Express|FedEx International
    |FedEx - Overnight|Geodis|GLS|GLS - DE|GLS - FR|GLS International|GLS - IT|GLS-SPAIN|GLS Spain Express|Hermes - DE
    |Hermes - UK|Japan Post|Logoix|MRW|Murfy transporteur|NACEX|ParcelForce Express|Parcelforce (Worldwide)
    |Parcelpoint Pty Ltd|Poste Italiane|Post NL|Private Transporter|Royal Mail|Royal Mail Express|Sagawa|Seino|Sendle
    |Seur|Socolissimo|Star Track Express|TIPSA|TIPSA Express|TNT|TNT Australia|TNT Express|Tourline|UPS|UPS 2 days
    |UPS 2nd Day Air|UPS Express|UPS express save|UPS Ground|UPS next day|UPS Overnight|UPS standard|USPS|USPS Express
    |USPS - First Class|USPS - Priority Mail|USPS - Priority Mail Express|VIR|Yamato|Zeleris|Other""".replace(
        "\n    |", "|"
    ).split("|")
)
"""The names in the API's documents; `Other` is among them."""

_BY_NAME = {name.casefold(): name for name in SHIPPERS}
_LONGEST_TRACKING = 200

# The last two letters of a number of the postal union (S10) say which country's post gave it.
_POSTS = {
    "FR": "Colissimo", "DE": "Deutsche Post", "GB": "Royal Mail", "ES": "Correos", "IT": "Poste Italiane",
    "BE": "BPost", "NL": "Post NL", "PT": "CTT", "AT": "Austrian Post", "JP": "Japan Post", "AU": "Australia Post",
    "US": "USPS",
}  # fmt: skip
_DPD = {"fr": "DPD FR", "de": "DPD DE", "gb": "DPD UK", "nl": "DPD Benelux", "be": "DPD Benelux"}
_GLS = {"fr": "GLS - FR", "de": "GLS - DE", "it": "GLS - IT", "es": "GLS-SPAIN"}
_PATTERNS = (
    (re.compile(r"1Z[0-9A-Z]{16}"), "UPS"),
    (re.compile(r"(JJD|JVGL|GM)\d{10,22}"), "DHL"),
    (re.compile(r"0034\d{16}"), "DHL DE"),
    (re.compile(r"\d{10}"), "DHL Express"),
    (re.compile(r"9[1-5]\d{20}"), "USPS"),
    (re.compile(r"GE\d{9}[A-Z]{2}"), "TNT"),
    (re.compile(r"X[A-Z]\d{9}[A-Z]{2}"), "Chronopost"),
    (re.compile(r"[5-9][A-Z]\d{11}"), "Colissimo"),
    (re.compile(r"P[KQ][0-9A-Z]{21}"), "Correos"),
    (re.compile(r"(\d{12}|\d{15})"), "FedEx"),
)


def tracking_number(text: str) -> str:
    """Return a tracking number as Back Market takes it: without white space.

    Raises:
        ValueError: It is empty, too long, or holds what no tracking number has; the message says what.
    """
    number = "".join(text.split())
    if not number:
        raise ValueError("the tracking number is empty")
    if len(number) > _LONGEST_TRACKING:
        raise ValueError(f"the tracking number has {len(number)} characters, at most {_LONGEST_TRACKING} are taken")
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z./_-]*", number):
        raise ValueError("a tracking number has letters and digits only")
    return number


def shipper_named(text: str) -> str:
    """Return a carrier's name as Back Market spells it, whatever the case that it was typed in.

    Raises:
        ValueError: Back Market knows no such carrier; the message names the nearest.
    """
    wanted = " ".join(text.split()).casefold()
    if wanted in _BY_NAME:
        return _BY_NAME[wanted]
    close = get_close_matches(wanted, _BY_NAME, n=1)
    raise ValueError(
        f"there is no such shipper; {f'{_BY_NAME[close[0]]} is near' if close else 'Other is for the rest'}"
    )


def guess_shipper(tracking: str, country: str | None = None) -> str | None:
    """Return the carrier that numbers like this come from, None where the number does not tell.

    Args:
        tracking: A cleaned tracking number.
        country: The two letters of the country that the parcel goes to, any case, or a market like `fr-fr`.
    """
    number = tracking.upper()
    land = (country or "").lower()[-2:]
    for pattern, name in _PATTERNS:
        if pattern.fullmatch(number):
            return name
    if post := re.fullmatch(r"[A-Z]{2}\d{9}([A-Z]{2})", number):
        return _POSTS.get(post[1])
    if re.fullmatch(r"\d{14}[0-9A-Z]?", number):
        return _DPD.get(land, "DPD")
    if re.fullmatch(r"\d{11}", number):
        return _GLS.get(land, "GLS")
    return None
