"""Files of changes: any way of writing them is read, every kind of bad line has its own message, exports come back."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmconsole.domain.intents import IntentState
from bmconsole.domain.views import Query
from bmconsole.errors import UsageError
from bmconsole.exports import as_csv, listing_rows
from bmconsole.writes.amounts import plain_amount
from bmconsole.writes.csvfile import active, inert
from tests.conftest import MARKETS
from tests.writes.conftest import Desk


@pytest.mark.parametrize(
    ("text", "currency", "is_"),
    [
        ("231.50", "EUR", "231.50"),
        ("231,50", "EUR", "231.50"),
        ("231,5", "EUR", "231.5"),
        ("1.234,50", "EUR", "1234.50"),
        ("1,234.50", "EUR", "1234.50"),
        ("1 234,50", "EUR", "1234.50"),
        ("1\u202f234,50", "EUR", "1234.50"),
        ("1'234.50", "EUR", "1234.50"),
        ("1.234.567", "EUR", "1234567"),
        ("1,234,567", "EUR", "1234567"),
        ("12,000", "JPY", "12000"),
        ("1234,567", "EUR", "1234.567"),
        ("12,34,56", "EUR", "12,34,56"),
        ("1.2,3,4", "EUR", "1.2,3,4"),
        ("abc", "EUR", "abc"),
        ("1e3", "EUR", "1e3"),
    ],
)
def test_an_amount_with_one_meaning_is_taken(text: str, currency: str, is_: str) -> None:
    assert plain_amount(text, currency) == is_


@pytest.mark.parametrize(("text", "currency"), [("1,234", "EUR"), ("12,345", "GBP"), ("12.000", "JPY")])
def test_an_amount_with_two_meanings_is_not(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="can mean"):
        plain_amount(text, currency)


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_amounts_grouped_and_with_a_comma_mean_the_same(amount: Decimal) -> None:
    plain = f"{amount:f}"
    whole, cents = plain.split(".")
    grouped = f"{int(whole):,}"
    for written in (plain, plain.replace(".", ","), f"{grouped.replace(',', '.')},{cents}", f"{grouped}.{cents}"):
        assert Decimal(plain_amount(written, "EUR")) == amount


@given(st.text())
def test_an_inert_cell_is_no_formula_and_comes_back(text: str) -> None:
    cell = inert(text)
    assert not cell or cell[0] not in "=+-@\t\r\n＝＋－＠"
    assert active(cell) == text


@pytest.fixture
async def wares(desk: Desk) -> list[dict[str, Any]]:
    """Listings with prices far from every edge, as the API shows them in the main market."""
    chosen = []
    for number in range(8):
        listing = desk.sandbox.shop.listings.get(number)
        for market in MARKETS:
            await desk.edit_listing(listing.id, market=market, price="249.00", min_price=None, quantity=5)
        await desk.workspace.refresh_listing(listing.id)
        chosen.append(await desk.offer(listing.id))
    return chosen


def lines(*rows: str, header: str = "sku;market;price;quantity") -> bytes:
    return "\n".join([header, *rows]).encode()


async def faults(desk: Desk, content: bytes) -> list[str]:
    return [str(fault) for fault in (await desk.workspace.plan_import(content)).faults]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_any_encoding_separator_and_order_of_columns_is_read(
    desk: Desk, wares: list[dict[str, Any]], encoding: str, separator: str
) -> None:
    rows = [["Comment", "Price", "SKU", "Stock"], ["geprüft, „top“ – wie neu", "231,50", wares[0]["sku"], "7"]]
    if encoding == "cp1252":
        rows[1][0] = "geprüft – wie neu"
    text = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    prepared = await desk.workspace.plan_import(text.encode(encoding))
    assert prepared.faults == ()
    (intent,) = prepared.plan.intents
    assert (intent.target, intent.market) == (wares[0]["id"], "fr-fr")
    assert dict(intent.want) == {"comment": rows[1][0], "price": "231.50", "quantity": 7}


async def test_each_kind_of_bad_line_has_its_own_message(desk: Desk, wares: list[dict[str, Any]]) -> None:
    sku, other = wares[0]["sku"], wares[1]["sku"]
    row_faults = {
        "NO-SUCH;fr-fr;1;1": "line 2, column sku: there is no listing NO-SUCH in the cache.",
        ";fr-fr;1;1": "line 2: it does not say which listing.",
        f"{sku};en-gb;1;1": "line 2, column market: en-gb is not among the profile's markets.",
        f"{sku};fr-fr;abc;1": "line 2, column price: 'abc' is not an amount.",
        f"{sku};fr-fr;1,234;1": "line 2, column price: 1,234 can mean 1234 or 1.234.",
        f"{sku};fr-fr;1.230;1": "line 2, column price: 1.230 can mean 1230 or 1.230.",
        f"{sku};fr-fr;231.505;1": "line 2, column price: 231.505 has more than 2 decimals, EUR has 2.",
        f"{sku};fr-fr;0;1": "line 2, column price: price 0 is not above 0.",
        f"{sku};fr-fr;231.50 GBP;1": "line 2, column price: fr-fr sells in EUR, not in GBP.",
        f"{sku};fr-fr;231.50 £;1": "line 2, column price: fr-fr sells in EUR, not in GBP.",
        f"{sku};fr-fr;;2.5": "line 2, column quantity: '2.5' is no quantity.",
        f"{sku};fr-fr;;-1": "line 2, column quantity: -1 is no count.",
        f"{sku};fr-fr;;+2": "line 2, column quantity: +2 is no count.",
        f"{sku};fr-fr;1": "line 2: it has 3 cells, the header has 4.",
        f"{sku};fr-fr;1;2;3": "line 2: it has 5 cells, the header has 4.",
    }
    for row, says in row_faults.items():
        (fault,) = await faults(desk, lines(row, header="sku;market;price;quantity"))
        assert fault.startswith(says), fault
    assert len(set(row_faults.values())) >= len(row_faults) - 1
    two = {
        (f"{sku};fr-fr;240;", f"{sku};fr-fr;241;"): "line 3: line 2 is about the same listing in fr-fr already.",
        (f"{sku};fr-fr;;6", f"{sku};de-de;;7"): "line 3, column quantity: line 2 gives the same listing a stock of 6.",
    }
    for pair, says in two.items():
        (fault,) = await faults(desk, lines(*pair))
        assert fault.startswith(says), fault
    cells = {
        ("sku;min_price", f"{sku};250"): "line 2, column min_price: min_price 250.00 would be above price 249.00.",
        ("sku;comment", f"{sku};{'x' * 501}"): "line 2, column comment: The comment has 501 characters.",
        ("sku;warranty_delay", f"{sku};11"): "line 2, column warranty_delay: '11' is no warranty.",
        ("sku;currency;price", f"{sku};GBP;1"): "line 2, column currency: fr-fr sells in EUR, not in GBP.",
        ("sku;shipper_1", f"{sku};DHLL"): "line 2, column shipper_1: shipper_1: there is no such shipper; DHL is near.",
        ("sku;shipper_3;price", f"{sku};DHL;1"): "line 2, column shipper_3: shipper_3 leaves a gap",
        ("sku;shipping_delay_1", f"{sku};0"): "line 2, column shipping_delay_1: '0' is no shipping delay.",
        ("sku;shipping_price_2", f"{sku};-1"): "line 2, column shipping_price_2: shipping_price_2 -1 is under 0.",
        ("id;sku;price", f"{wares[1]['id']};{sku};1"): "line 2, column sku: id and sku name different listings.",
        ("listing_id;price", "12x;1"): "line 2, column listing_id: 12x is no number of a listing.",
    }
    for (header, row), says in cells.items():
        (fault,) = await faults(desk, lines(row, header=header))
        assert fault.startswith(says), fault
    good = f"{other};fr-fr;240;4"
    prepared = await desk.workspace.plan_import(lines(good, "NO-SUCH;fr-fr;1;1"))
    assert (len(prepared.plan.intents), len(prepared.faults), prepared.lines) == (1, 1, 2)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty"),
        (b" \n\n", "The file is empty"),
        (b"PK\x03\x04\0\0\0", "no text in UTF-8"),
        (b"sku;prcie\nX;1", "Line 1: there is no column “prcie”. Did you mean price"),
        (b"sku;zzzz;price\nX;1;1", "Line 1: there is no column “zzzz”. Known: id"),
        (b"sku;price;price\nX;1;2", "Line 1: the column price is there twice"),
        (b"sku;;price\nX;1;2", "Line 1: a column has no name"),
        (b"price;quantity\n1;2", "does not say which listings"),
        (b"sku;market\nX;fr-fr", "no column that can be set"),
        (b'sku;price\n"X;1\n', "Line 2 cannot be read"),
        (b'sku;price\n"X"y;1\n', "Line 2 cannot be read"),
    ],
)
async def test_what_is_no_table_is_refused_as_a_whole(desk: Desk, content: bytes, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        await desk.workspace.plan_import(content)
    assert says in refused.value.line()


async def test_bad_json_lines_have_their_own_messages(desk: Desk, wares: list[dict[str, Any]]) -> None:
    good = {"sku": wares[0]["sku"], "price": {"amount": "240.00", "currency": "EUR"}, "quantity": 6}
    content = "\n".join([json.dumps(good), "[1]", '{"sku": "X", "prcie": 1}', "{"]).encode()
    prepared = await desk.workspace.plan_import(content)
    assert [str(fault) for fault in prepared.faults] == [
        "line 2: it is no JSON object.",
        "line 3, column prcie: there is no such field.",
        "line 4: it is no JSON object.",
    ]
    assert dict(prepared.plan.intents[0].want) == {"price": "240.00", "quantity": 6}


async def test_an_export_comes_back_without_a_change_and_holds_no_formula(
    desk: Desk, wares: list[dict[str, Any]]
) -> None:
    await desk.edit_listing(wares[0]["id"], comment="=HYPERLINK(1)\nsecond line")
    await desk.edit_listing(wares[1]["id"], comment="  @SUM, «x»; 'quoted'", quantity=-1)
    await desk.workspace.sync(["listings"])
    rows = await listing_rows(desk.workspace, Query(limit=0), MARKETS)
    for content in (
        as_csv(rows).encode(),
        as_csv(rows, separator=";").encode("utf-8-sig"),
        "\n".join(
            json.dumps({k: v.as_json() if hasattr(v, "as_json") else v for k, v in row.items()}) for row in rows
        ).encode(),
    ):
        prepared = await desk.workspace.plan_import(content)
        assert prepared.faults == ()
        assert prepared.plan.intents == ()
        assert prepared.lines == len(rows) == 80
    assert '"\'=HYPERLINK(1) second line"' in as_csv(rows) or "'=HYPERLINK(1) second line" in as_csv(rows)


async def test_an_import_writes_each_listing_and_market_once_and_is_undone_as_a_whole(
    desk: Desk, wares: list[dict[str, Any]]
) -> None:
    rows = [f"{ware['sku']};{market};240,00;9" for ware in wares for market in MARKETS]
    prepared = await desk.workspace.plan_import(lines(*rows))
    assert (prepared.faults, prepared.plan.confirm) == ((), 0)
    assert "16 prices, in all -144.00 EUR." in prepared.plan.notes
    assert "8 stocks, in all +32 pieces." in prepared.plan.notes
    ended = await desk.apply(prepared.plan)
    assert {intent.state for intent in ended} == {IntentState.CONFIRMED}
    assert len({(intent.target, intent.market) for intent in ended}) == len(ended) == desk.writes == 16
    run = prepared.plan.run
    assert {intent.run for intent in ended} == {run}
    plan, refused = await desk.workspace.plan_undo(run=run)
    assert (len(plan.intents), refused) == (16, [])
    assert {intent.state for intent in await desk.apply(plan)} == {IntentState.CONFIRMED}
    for ware in wares:
        for market in MARKETS:
            offer = await desk.offer(ware["id"], market)
            assert (offer["price"], offer["quantity"]) == ("249.00", 5)
    assert all(intent.undone_by for intent in await desk.workspace.intents(limit=0) if intent.run == run)


async def test_big_jumps_many_rows_and_going_offline_are_confirmed_by_number(
    desk: Desk, wares: list[dict[str, Any]]
) -> None:
    plan = (await desk.workspace.plan_import(lines(f"{wares[0]['sku']};fr-fr;199.00;"))).plan
    assert (plan.confirm, "20 %" in plan.why_confirm) == (1, True)
    plan = (await desk.workspace.plan_import(lines(f"{wares[0]['sku']};fr-fr;200.00;"))).plan
    assert plan.confirm == 0
    plan = (await desk.workspace.plan_import(lines(*(f"{ware['sku']};fr-fr;;0" for ware in wares[:3])))).plan
    assert (plan.confirm, "3 listings go offline" in plan.why_confirm) == (3, True)
    every = [desk.sandbox.shop.listings.get(number).sku for number in range(40)]
    rows = [f'"{sku}";{market};{300 + number}.00;' for number, sku in enumerate(every) for market in MARKETS]
    plan = (await desk.workspace.plan_import(lines(*rows))).plan
    assert (plan.confirm > 50, "rows change" in plan.why_confirm) == (True, True)
    assert desk.writes == 0


PARCELS = "order_id;tracking;shipper;imei;serial;orderline"


async def test_each_kind_of_bad_parcel_line_has_its_own_message(desk: Desk) -> None:
    one, two = list(desk.orders(1))[:2]
    pair = next(desk.orders(2))
    for order in (one, two):
        await desk.put_order(order, [2])
    await desk.put_order(pair, [2, 2])
    shipped = list(desk.orders(1))[2]
    await desk.put_order(shipped, [3])
    cases = {
        (";6A12345678901;;;;",): "line 2, column order_id: it does not say which order.",
        ("abc;6A12345678901;;;;",): "line 2, column order_id: abc is no order id.",
        ("17;6A12345678901;;;;",): "line 2, column order_id: order 17 is not in the cache.",
        (f"{one};;;;;",): "line 2, column tracking: the tracking number is missing.",
        (f"{one};6A/*;;;;",): "line 2, column tracking: A tracking number has letters and digits only.",
        (f"{one};6A12345678901;Colisimo;;;",): "line 2, column shipper: There is no such shipper; Colissimo is near.",
        (f"{one};6A12345678901;;4901;;",): "line 2, column imei: The IMEI has 4 digits, not 15.",
        (f"{one};6A12345678901;;490154203237519;;",): "line 2, column imei: The IMEI's check digit is wrong",
        (f"{one};6A12345678901;;;é;",): "line 2, column serial: A serial number has letters",
        (f"{pair};6A12345678901;;490154203237518;;",): f"line 2, column orderline: Order {pair} has 2 lines to ship",
        (f"{pair};6A12345678901;;490154203237518;;17",): "line 2, column orderline: 17 names no lines to ship",
        (f"{shipped};6A12345678901;;;;",): f"line 2, column order_id: Order {shipped} is shipped.",
        (f"{one};6A12345678901",): "line 2: it has 2 cells, the header has 6.",
        (f"{one};6A1;;;;", f"{one};6A1;;;;"): "line 3, column order_id: line 2 is about the same order.",
        (f"{one};6A1;;;;1", f"{one};6A2;;;;1"): "line 3, column tracking: line 2 has another one for the same order.",
        (
            f"{one};6A1;;490154203237518;;",
            f"{two};6A2;;490154203237518;;",
        ): "line 3, column imei: line 2 has the same one.",
    }
    for rows, says in cases.items():
        prepared = await desk.workspace.plan_ship_file(lines(*rows, header=PARCELS))
        (fault,) = map(str, prepared.faults)
        assert fault.startswith(says), fault
    assert len(set(cases.values())) == len(cases)
    for header, says in (("order_id", "no column tracking"), ("tracking", "no column order_id")):
        with pytest.raises(UsageError, match=says):
            await desk.workspace.plan_ship_file(f"{header}\n1".encode())
    assert desk.writes == 0


async def test_a_file_of_parcels_is_shipped(desk: Desk) -> None:
    singles = list(desk.orders(1))[:3]
    pair = next(desk.orders(2))
    for order in singles:
        await desk.put_order(order, [2])
    await desk.put_order(pair, [2, 2])
    first, second = desk.lines(pair)
    rows = [
        f"{singles[0]};6A 1234 5678 901;;490154203237518;;",
        f"{singles[1]};1Z999AA10123456784;dhl express;;SN-1;",
        f"{singles[2]};XY123456789FR;;;;",
        f"{pair};8R12345678901;;356938035643809;;{first}",
        f"{pair};8R12345678901;;;SN-2;{second}",
    ]
    prepared = await desk.workspace.plan_ship_file(lines(*rows, header=PARCELS))
    assert prepared.faults == ()
    assert (prepared.plan.confirm, len(prepared.plan.intents)) == (4, 6)
    assert {intent.state for intent in await desk.apply(prepared.plan)} == {IntentState.CONFIRMED}
    found = [await desk.order(order) for order in (*singles, pair)]
    assert [order["shipper_display"] for order in found] == ["Colissimo", "DHL Express", "Chronopost", "Colissimo"]
    assert all(line["state"] == 3 for order in found for line in order["orderlines"])
    assert [line["imei"] or line["serial_number"] for line in found[3]["orderlines"]] == ["356938035643809", "SN-2"]
