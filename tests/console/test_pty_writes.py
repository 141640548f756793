"""A working day at a terminal, by keys alone: an order accepted and shipped by scanning, a price, a file, and back."""

import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.sandbox import Options, running_in_thread
from tests.console.test_pty import Terminal, settings_for, terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
IMEI, TRACKING = "490154203237518", "6A12345678901"
LINES = 60
"""More than are written without their number being typed."""


def test_an_operator_accepts_scans_prices_imports_and_takes_back_by_keyboard_alone(tmp_path: Path) -> None:
    options = Options(seed=7, orders=60, listings=100, markets=("fr-fr", "de-de"), limits=False)
    limits = {
        "BMCONSOLE_LIMITS__EDGE": "2000/1",
        "BMCONSOLE_LIMITS__SENSITIVE": "2000/1",
        "BMCONSOLE_LIMITS__SKU_LINES": "100000/3600",
        "BMCONSOLE_SCHEDULE__ORDERS": "1h",
        "BMCONSOLE_SCHEDULE__WATCH": "off",
    }
    with running_in_thread(options) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as control:

        def order(number: str) -> dict[str, Any]:
            found: dict[str, Any] = control.get(f"/_sandbox/state/orders/{number}").json()
            return found

        def listing(number: str) -> dict[str, Any]:
            found: dict[str, Any] = control.get(f"/_sandbox/state/listings/{number}").json()["markets"]["fr-fr"]
            return found

        waiting = next(
            each
            for each in map(sandbox.shop.orders.get, range(len(sandbox.shop.orders)))
            if each.state == 1 and len(each.lines) == 1 and each.lines[0].quantity == 1
        )
        number = str(waiting.id)
        wares = [sandbox.shop.listings.get(place) for place in range(sandbox.shop.listings.count)]
        plain = [ware for ware in wares if sandbox.shop.listings.offer(ware, "fr-fr").min_price is None]
        before = {ware.id: listing(ware.id) for ware in plain}
        file = tmp_path / "stock.csv"
        rows = [ware for ware in wares if ware.quantity >= 0][:LINES]
        stocks = {ware.id: ware.quantity for ware in rows}
        file.write_text("id;quantity\n" + "".join(f"{ware.id};{ware.quantity + 3}\n" for ware in rows))
        assert len(rows) == LINES
        with terminal(tmp_path / "home", settings_for(sandbox.url, sandbox.token) | limits, 100, 30) as console:
            console.wait(lambda text: "60 orders" in text)
            accept(console, number)
            assert order(number)["orderlines"][0]["state"] == 2
            ship(console)
            shipped = order(number)
            assert (shipped["tracking_number"], shipped["orderlines"][0]["imei"]) == (TRACKING, IMEI)
            assert shipped["orderlines"][0]["state"] == 3

            ware = plain[0]
            old = before[ware.id]["price"]
            new = f"{float(old) - 1.5:.2f}"
            console.type("2")
            console.wait(lambda text: "100 listings" in text)
            console.type(f'/sku:"{ware.sku}"\r')
            console.wait(lambda text: "1 of 100 listings" in text)
            console.type("b")
            console.wait(lambda text: "Change 1 listing" in text)
            console.type("-1.50\r")
            console.wait(lambda text: "write it" in text and new in text)
            console.type("y")
            console.wait(lambda text: "read back: price" in text)
            assert listing(ware.id)["price"] == new

            console.type(f":import {file}\r")
            console.wait(lambda text: f"{LINES} rows change" in text and f"in all +{3 * LINES} pieces" in text)
            assert {row.id: listing(row.id)["quantity"] for row in rows[:5]} == dict(list(stocks.items())[:5])
            console.type(f"{LINES}\r")
            console.wait(lambda text: f"{LINES} of {LINES} confirmed as read back" in text)
            assert all(listing(key)["quantity"] == stock + 3 for key, stock in stocks.items())

            console.type("z")
            console.wait(lambda text: "Take back run" in text and f"in all -{3 * LINES} pieces" in text)
            console.type(f"{LINES}\r")
            console.wait(lambda text: f"{LINES} of {LINES} confirmed as read back" in text and "Take back" in text)
            assert all(listing(key)["quantity"] == stock for key, stock in stocks.items())
            assert listing(ware.id)["price"] == new
            console.type("\r")
            console.wait(lambda text: "Take back" not in text and "1 of 100 listings" in text)
            console.type("q")
            assert console.ended() == 0
        assert not sandbox.journal.refused


def accept(console: Terminal, number: str) -> None:
    console.type(f"/{number}\r")
    console.wait(lambda text: "1 of 60 orders" in text and number in text and "a accept" in text)
    console.type("a")
    console.wait(lambda text: f"Accept order {number}" in text)
    console.type("y")
    console.wait(lambda text: "read back: to ship" in text)
    console.wait(lambda text: "p ship" in text)


def ship(console: Terminal) -> None:
    console.type("p")
    console.wait(lambda text: "scan the IMEI" in text)
    # As a scanner types: the text and Enter in one go.
    console.type("490154203237519\r")
    console.wait(lambda text: "check digit" in text)
    console.type(f"{IMEI}\r")
    console.wait(lambda text: "scan the label" in text)
    console.type("6A 1234 567 8901\r")
    console.wait(lambda text: "guessed from the number" in text and "type 1 and Enter" in text)
    console.type("1\r")
    console.wait(lambda text: "1 shipped here" in text and "read back" in text)
    console.type("\x1b")
    console.wait(lambda text: "Scan to ship" not in text and "1 of 60 orders" in text and "shipped here" not in text)
