"""Where the sandbox's answers differ from the official documents on purpose, because the field does; the only list.

A test holds every answer against the documents, accepts exactly these differences, and fails for one that never occurs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deviation:
    """One difference.

    `where` is the place in an answer, with `*` for each item of a list; `rule` is the JSON Schema rule that it breaks,
    or `undocumented` for a field that no schema names.
    """

    where: str
    rule: str
    why: str


_NULL = "the prose allows any of these to be null or absent; the schema says string"
_ADDRESS = "snake_case addresses with phone and mail are what comes in the field (counted); the schema has camelCase"

ORDER = [
    *(
        Deviation(name, "type", _NULL + "; it is null until the order got that far")
        for name in (
            "date_payment",
            "date_shipping",
            "expected_dispatch_date",
            "shipper_display",
            "tracking_number",
            "tracking_url",
            "delivery_note",
        )
    ),
    *(
        Deviation(f"orderlines/*/{name}", "type", _NULL + "; it is null where nothing was registered")
        for name in ("imei", "serial_number", "return_message")
    ),
    Deviation(
        "expected_dispatch_date",
        "format",
        "the documents' own example has no offset, which RFC 3339 requires; the time is in the platform's zone then",
    ),
    Deviation("country_code", "enum", "fi-fi is seen in the field; the backbox documents know FI, the orders' don't"),
    *(
        Deviation(f"{kind}_address/{name}", "undocumented", _ADDRESS)
        for kind in ("billing", "shipping")
        for name in ("first_name", "last_name", "postal_code", "phone", "email")
    ),
    *(
        Deviation(f"{kind}_address/{name}", "undocumented", "the prose has it for kana names in Japan, the schema not")
        for kind in ("billing", "shipping")
        for name in ("first_name_pronunciation", "last_name_pronunciation")
    ),
]
LISTING = [
    Deviation("max_price", "type", "a JSON number in the field, while price and min_price are strings"),
    Deviation("snowden", "undocumented", "an undocumented boolean on every listing"),
]
COMPETITOR = [
    Deviation(
        "*/min_price", "anyOf", "null where the listing has no floor, as the guidelines' own rule for amounts allows"
    ),
]
