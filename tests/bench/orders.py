"""Invented orders in the form of the API for the bench of the store: a number always gives the same order."""

import random
from datetime import UTC, datetime, timedelta

from bmconsole.backmarket.orders import parse_order
from bmconsole.backmarket.wirejson import dumps
from bmconsole.store.orders import OrderRecord

FIRST_ID = 41_000_000
_START = datetime(2023, 1, 1, tzinfo=UTC)
_FIRST = ("Marie", "Jean", "Chloé", "Luca", "Anna", "Søren", "José", "Emma", "Noah", "Zoé", "Paul", "Ines")
_SYLLABLES = ("mar", "tin", "du", "pont", "ber", "nard", "ros", "si", "mül", "ler", "gar", "cia", "lo", "pez", "va")
_CITIES = ("Lyon", "Paris", "Köln", "Berlin", "Madrid", "Milano", "Lille", "Nantes", "Toulouse", "Hamburg", "Sevilla")
_MODELS = ("iPhone 13", "iPhone 14 Pro", "Galaxy S22", "Pixel 7", "MacBook Air M1", "iPad 9", "iPhone SE", "Galaxy A54")
_STATES = ((1, 1), (3, 2), (9, 3), (9, 3), (9, 3), (9, 3), (9, 3), (9, 3), (9, 5), (9, 4))


def order_json(number: int, version: int = 0) -> dict[str, object]:
    """Return order `number` as Back Market would write it; another `version` differs in state, dates and tracking."""
    draw = random.Random(number)
    order_id = FIRST_ID + number * 3
    created = _START + timedelta(seconds=number * 90 + draw.randrange(3_600))
    last = "".join(draw.choices(_SYLLABLES, k=draw.choice((2, 2, 3)))).title()
    shown = {
        "company": "",
        "first_name": draw.choice(_FIRST),
        "last_name": last,
        "street": f"{draw.randrange(1, 200)} rue {draw.choice(_CITIES)}",
        "street2": "",
        "postal_code": f"{draw.randrange(10_000, 99_999)}",
        "country": "FR",
        "city": draw.choice(_CITIES),
        "phone": f"+336{draw.randrange(10**8):08d}",
        "email": f"{last.lower()}{number}@example.com",
    }
    turn = random.Random(f"{number}/{version}") if version else draw
    state, line_state = turn.choice(_STATES)
    moved = created + timedelta(hours=version * 30)
    lines: list[dict[str, object]] = []
    for place in range(2 if draw.random() < 0.25 else 1):
        model, size, colour = draw.choice(_MODELS), draw.choice((64, 128, 256, 512)), draw.choice(("BLK", "WHT", "BLU"))
        lines.append(
            {
                "id": order_id * 4 + place,
                "listing": f"{model.upper().replace(' ', '')}-{size}-{colour}-{draw.randrange(400)}",
                "listing_id": draw.randrange(10**6),
                "product": f"{model} {size}GB - {draw.choice(('Black', 'White', 'Blue'))} - Unlocked",
                "product_id": draw.randrange(10**5),
                "brand": "Apple",
                "condition": draw.choice((9, 10, 11, 12)),
                "quantity": 1,
                "price": f"{draw.randrange(9_900, 99_900) / 100:.2f}",
                "shipping_price": "0.00",
                "orderline_fee": "12.40",
                "sales_taxes": "0.00",
                "currency": "EUR",
                "state": line_state,
                "imei": f"35{draw.randrange(10**13):013d}" if line_state == 3 else None,
                "serial_number": None,
                "return_reason": None,
                "return_message": None,
                "shipping_delay": 24,
                "backcare": False,
                "backcare_price": 0,
                "date_creation": created.isoformat(),
            }
        )
    return {
        "order_id": order_id,
        "state": state,
        "country_code": draw.choice(("fr-fr", "de-de", "es-es", "it-it")),
        "currency": "EUR",
        "price": f"{draw.randrange(9_900, 99_900) / 100:.2f}",
        "shipping_price": "0.00",
        "sales_taxes": "0.00",
        "date_creation": created.isoformat(),
        "date_modification": moved.isoformat(),
        "date_payment": created.isoformat(),
        "date_shipping": moved.isoformat() if line_state == 3 else None,
        "expected_dispatch_date": (created + timedelta(days=1)).isoformat(),
        "shipper_display": "UPS Express",
        "tracking_number": f"1Z{turn.randrange(10**14):014d}" if line_state == 3 else None,
        "tracking_url": None,
        "delivery_note": f"https://documents.example/delivery_note/{order_id}.pdf",
        "payment_method": "CARD",
        "installment_payment": False,
        "paypal_reference": None,
        "is_backship": False,
        "billing_address": shown,
        "shipping_address": shown,
        "orderlines": lines,
    }


def record(number: int, version: int = 0) -> OrderRecord:
    """Return an order as the pull of orders hands it to the store."""
    answer = order_json(number, version)
    return OrderRecord(parse_order(answer, UTC), dumps(answer))
