"""The market of the backbox: rivals that move, boxes that settle, sales that follow them, answers that mislead."""

from collections import Counter
from decimal import Decimal, InvalidOperation

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, RunningSandbox
from bmconsole.sandbox.hostility import KINDS, Hostile
from bmconsole.sandbox.listings import Listing
from bmconsole.sandbox.live import Live
from bmconsole.sandbox.rivals import ABSENT, STEADY, UNDERCUTTING, WANDERING, Rivals
from bmconsole.sandbox.shop import Shop

Json = dict[str, object]
MARKETS = ("fr-fr", "en-gb")


@pytest.fixture
def options(clock: ManualClock) -> Options:
    return Options(seed=7, orders=20, listings=150, markets=MARKETS, clock=clock, backbox_share=1.0, limits=False)


def shop_of(**changes: object) -> Shop:
    usual = {"seed": 3, "orders": 0, "listings": 400, "clock": ManualClock(), "backbox_share": 1.0}
    return Shop(Options(**(usual | changes)))  # type: ignore[arg-type]  # its own arguments


def place_of(shop: Shop, temper: str, market: str = "fr-fr") -> Listing:
    """Return a listing that competes in the market against a rival of this temper."""
    for index in range(shop.listings.count):
        listing = shop.listings.get(index)
        if market in shop.backbox.markets_of(listing) and shop.backbox.rivals.temper(index, market) == temper:
            return listing
    raise AssertionError(f"no {temper} rival")


async def box_of(client: httpx.AsyncClient, listing: Listing, market: str = "FR") -> Json:
    answer = await client.get(f"/ws/backbox/v1/competitors/{listing.id}")
    assert answer.status_code == 200
    found: Json = next(element for element in answer.json() if element["market"] == market)
    return found


def amount(element: Json, name: str) -> Decimal:
    value = element[name]
    assert isinstance(value, dict)
    return Decimal(value["amount"])


# -- rivals ------------------------------------------------------------------------------------------------------


def test_rivals_differ_in_temper() -> None:
    rivals = shop_of().backbox.rivals
    tempers = Counter(rivals.temper(index, "fr-fr") for index in range(400))
    assert 140 < tempers[STEADY] < 220
    assert 110 < tempers[WANDERING] < 190
    assert 40 < tempers[UNDERCUTTING] < 110
    assert 4 < tempers[ABSENT] < 40


def test_the_same_seed_moves_in_the_same_way_in_any_order() -> None:
    def after(indexes: list[int], seed: int) -> list[int | None]:
        rivals = Rivals(shop_of(seed=seed).listings)
        for index in indexes:
            rivals.move(index, "fr-fr", 30_000)
        return [rivals.price(index, "fr-fr") for index in range(50)]

    turns = list(range(50)) * 4
    assert after(turns, 3) == after(turns[::-1], 3) != after(turns, 4)


@pytest.mark.parametrize(("market", "step"), [("fr-fr", 1), ("ja-jp", 10)])
def test_a_rival_stays_near_where_it_began(market: str, step: int) -> None:
    shop = shop_of(markets=(market,), listings=60)
    changes = 0
    for index in range(60):
        began = shop.backbox.rivals.price(index, market)
        for _ in range(80):
            changes += shop.backbox.rivals.move(index, market, began or 1)
            price = shop.backbox.rivals.price(index, market)
            if began is None or price is None:
                assert price is began
                continue
            assert price % step == 0
            assert began * 0.84 <= price <= began * 1.16
    assert changes > 1_000


def test_an_undercutting_rival_goes_below_us_down_to_a_floor_of_its_own() -> None:
    shop = shop_of()
    listing = place_of(shop, UNDERCUTTING)
    rivals, began = shop.backbox.rivals, shop.backbox.rivals.price(listing.index, "fr-fr")
    assert began is not None
    rivals.move(listing.index, "fr-fr", began)
    after = rivals.price(listing.index, "fr-fr")
    assert after is not None
    assert began * 0.99 < after < began
    rivals.move(listing.index, "fr-fr", began * 80 // 100)
    gave_up = rivals.price(listing.index, "fr-fr")
    assert gave_up is not None
    assert gave_up > began


def test_a_rival_without_a_price_stays_away() -> None:
    rivals = shop_of().backbox.rivals
    rivals.set(0, "fr-fr", None)
    assert not rivals.move(0, "fr-fr", 10_000)
    assert (rivals.price(0, "fr-fr"), rivals.temper(0, "fr-fr")) == (None, ABSENT)


async def test_rivals_move_by_the_control_endpoint(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = place_of(sandbox.shop, WANDERING)
    state = f"/_sandbox/state/listings/{listing.id}"
    before = (await client.get(state)).json()
    moves = {"times": 5, "listing": listing.id, "market": "fr-fr"}
    assert (await client.post("/_sandbox/market/moves", json=moves)).json()["moved"] >= 1
    after = (await client.get(state)).json()
    assert after["rivals"]["fr-fr"] != before["rivals"]["fr-fr"]
    assert after["rivals"]["en-gb"] == before["rivals"]["en-gb"]
    assert after["tempers"]["fr-fr"] == WANDERING
    assert after["wins"]["fr-fr"] is (await box_of(client, listing))["is_winning"]
    everywhere = (await client.post("/_sandbox/market/moves")).json()["moved"]
    assert 60 < everywhere < 300
    wrong: list[object] = [{"times": 0}, {"times": True}, {"listing": "nope"}, {"market": "xx"}, {"price": 1}, []]
    for body in wrong:
        assert (await client.post("/_sandbox/market/moves", json=body)).status_code == 400


# -- settling ----------------------------------------------------------------------------------------------------


async def test_settling_can_be_shortened_while_it_runs(
    client: httpx.AsyncClient, sandbox: RunningSandbox, clock: ManualClock
) -> None:
    listing = place_of(sandbox.shop, STEADY)
    edit = f"/_sandbox/edit/listings/{listing.id}"
    shown = (await client.put("/_sandbox/market", json={"settle": [3, 6]})).json()
    assert (shown["settle"], shown["speed"]) == ([3, 6], 1.0)
    await client.post(edit, json={"rival_price": "200.00", "price": "250.00"})
    clock.advance(6)
    assert (await box_of(client, listing))["is_winning"] is False
    await client.post(edit, json={"price": "190.00"})
    clock.advance(2.9)
    assert (await box_of(client, listing))["is_winning"] is False
    clock.advance(3.1)
    won = await box_of(client, listing)
    assert won["is_winning"] is True
    assert amount(won, "price_to_win") == amount(won, "winner_price") == Decimal("190.00")

    await client.put("/_sandbox/market", json={"speed": 30})
    await client.post(edit, json={"price": "250.00"})
    assert (await box_of(client, listing))["is_winning"] is True
    clock.advance(0.2)
    assert (await box_of(client, listing))["is_winning"] is False

    await client.put("/_sandbox/market", json={"settle": [0, 0]})
    await client.post(edit, json={"price": "150.00"})
    assert (await box_of(client, listing))["is_winning"] is True


async def test_what_the_market_cannot_be_is_refused_and_changes_nothing(client: httpx.AsyncClient) -> None:
    before = (await client.get("/_sandbox/market")).json()
    wrong: list[object] = [
        {},
        [],
        {"nope": 1},
        {"settle": [5, 1]},
        {"settle": 5},
        {"settle": [-1, 5]},
        {"speed": 0},
        {"speed": "fast"},
        {"speed": True},
        {"hostile": {"kind": "one"}},
        {"hostile": ["one"]},
        {"hostile": [{"kind": "kind"}]},
        {"hostile": [{"kind": "one", "share": 2}]},
        {"hostile": [{"kind": "one", "share": "all"}]},
        {"speed": 5, "hostile": [{"kind": "one", "seed": 2}]},
    ]
    for body in wrong:
        assert (await client.put("/_sandbox/market", json=body)).status_code == 400
    assert (await client.get("/_sandbox/market")).json() == before


async def test_the_boxes_are_counted(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    boxes = (await client.get("/_sandbox/market?boxes=1")).json()["boxes"]
    assert set(boxes) == set(MARKETS)
    for market in MARKETS:
        assert 60 < boxes[market]["competing"] < 150
        assert 0 < boxes[market]["winning"] < boxes[market]["competing"]
    listing = place_of(sandbox.shop, STEADY)
    await client.post(f"/_sandbox/edit/listings/{listing.id}", json={"removed": True})
    fewer = (await client.get("/_sandbox/market?boxes=1")).json()["boxes"]
    assert fewer["fr-fr"]["competing"] == boxes["fr-fr"]["competing"] - 1


# -- life --------------------------------------------------------------------------------------------------------


def test_what_has_the_box_sells_far_more() -> None:
    shop = shop_of(listings=300, backbox_settle=(0.0, 0.0))
    live = Live(shop, 1.0)
    places = [shop.listings.get(index) for index in range(300) if shop.backbox.markets_of(shop.listings.get(index))]
    for place, listing in enumerate(places):
        listing = shop.listings.change(listing.index)
        listing.quantity = 1_000
        shop.listing_changed(listing)
        price = shop.listings.offer(listing, "fr-fr").price
        shop.backbox.set_rival(listing, "fr-fr", price * 2 if place % 2 else price // 2)
    for _ in range(400):
        assert live.buy()
    sold = Counter(
        shop.backbox.wins(shop.listings.get(shop.orders.get(index).lines[0].listing), "fr-fr")
        for index in range(len(shop.orders))
        if "fr-fr" in shop.backbox.markets_of(shop.listings.get(shop.orders.get(index).lines[0].listing))
    )
    assert sold[True] > 5 * sold[False] > 0


async def test_rivals_and_another_editor_live_at_their_own_pace(
    client: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    paces = {"rate": 0.001, "rival_moves": 3_600, "editor": 50}
    clock = sandbox.shop.clock
    assert isinstance(clock, ManualClock)
    assert (await client.put("/_sandbox/live", json=paces)).json()["rival_moves"] == 3_600
    for _ in range(40):
        await clock.wait_for_sleepers(3)
        clock.advance(0.5)
        await client.get("/_sandbox/counts")
    shown = (await client.get("/_sandbox/live?edits=5")).json()
    assert shown["moved"] > 100
    assert shown["edited"] >= 40
    edit = shown["edits"][-1]
    assert Decimal("0.9") < Decimal(edit["after"]) / Decimal(edit["before"]) < Decimal("1.1")
    await client.put("/_sandbox/live", json={"rate": 0})
    state = (await client.get(f"/_sandbox/state/listings/{edit['listing']}")).json()
    last = next(one for one in reversed(sandbox.live.edits) if (one.listing, one.market) == (edit["listing"], "fr-fr"))
    assert Decimal(state["markets"]["fr-fr"]["price"]) == Decimal(last.after) / 100
    for wrong in ({"rival_moves": -1}, {"editor": "often"}, {"editor": True}, {"rate": 1, "nope": 2}):
        assert (await client.put("/_sandbox/live", json=wrong)).status_code == 400


# -- hostility ---------------------------------------------------------------------------------------------------


async def hostile(client: httpx.AsyncClient, *kinds: Json) -> None:
    answer = await client.put("/_sandbox/market", json={"hostile": list(kinds)})
    assert answer.status_code == 200
    assert [one["kind"] for one in answer.json()["hostile"]] == [one["kind"] for one in kinds]


async def test_a_rival_at_one_is_a_trap(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = place_of(sandbox.shop, STEADY)
    await hostile(client, {"kind": "one"})
    box = await box_of(client, listing)
    assert (box["is_winning"], amount(box, "winner_price"), amount(box, "price_to_win")) == (
        False,
        Decimal("1.00"),
        Decimal("0.99"),
    )


async def test_fields_can_be_null(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    await hostile(client, {"kind": "null"})
    nulls: Counter[str] = Counter()
    for index in range(60):
        listing = sandbox.shop.listings.get(index)
        if "fr-fr" in sandbox.shop.backbox.markets_of(listing):
            box = await box_of(client, listing)
            empty = [name for name in ("price_to_win", "winner_price", "price", "is_winning") if box[name] is None]
            assert empty
            nulls.update(empty)
    assert set(nulls) == {"price_to_win", "winner_price", "price", "is_winning"}


async def test_amounts_can_come_in_another_currency(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    await hostile(client, {"kind": "currency"})
    box = await box_of(client, place_of(sandbox.shop, STEADY))
    for name in ("price", "price_to_win", "winner_price"):
        value = box[name]
        assert isinstance(value, dict)
        assert value["currency"] == "SEK"


async def test_answers_can_freeze(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = place_of(sandbox.shop, STEADY)
    edit = f"/_sandbox/edit/listings/{listing.id}"
    await hostile(client, {"kind": "frozen"})
    frozen = await box_of(client, listing)
    await client.post(edit, json={"rival_price": "1.50"})
    assert await box_of(client, listing) == frozen
    await hostile(client)
    assert amount(await box_of(client, listing), "winner_price") == Decimal("1.50")


async def test_data_can_be_missing_or_empty(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    url = f"/ws/backbox/v1/competitors/{place_of(sandbox.shop, STEADY).id}"
    await hostile(client, {"kind": "missing"})
    assert (await client.get(url)).status_code == 404
    await hostile(client, {"kind": "empty"})
    answer = await client.get(url)
    assert (answer.status_code, answer.json()) == (200, [])


async def test_amounts_can_be_nonsense(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    await hostile(client, {"kind": "nonsense"})
    box = await box_of(client, place_of(sandbox.shop, STEADY))

    def sound(name: str) -> bool:
        try:
            return Decimal("0") < amount(box, name) < Decimal("100000")
        except InvalidOperation:
            return False

    assert [sound(name) for name in ("price_to_win", "winner_price")].count(False) == 1


async def test_the_price_to_win_can_fall_to_half(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = place_of(sandbox.shop, STEADY)
    await hostile(client, {"kind": "flood"})
    box = await box_of(client, listing)
    assert box["is_winning"] is False
    assert amount(box, "price_to_win") <= amount(box, "price") / 2


async def test_the_winner_can_change_with_each_look(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = place_of(sandbox.shop, STEADY)
    await hostile(client, {"kind": "flapping"})
    assert [(await box_of(client, listing))["is_winning"] for _ in range(4)] == [False, True, False, True]


async def test_an_answer_can_contradict_itself(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    listing = place_of(sandbox.shop, STEADY)
    await hostile(client, {"kind": "contradicting"})
    box = await box_of(client, listing)
    assert (amount(box, "price_to_win") < amount(box, "price")) is box["is_winning"]


async def test_the_main_market_need_not_come_first(client: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    shop = sandbox.shop
    listing = next(
        one for one in map(shop.listings.get, range(150)) if len(shop.backbox.markets_of(one)) == len(MARKETS)
    )
    url = f"/ws/backbox/v1/competitors/{listing.id}"
    assert [element["market"] for element in (await client.get(url)).json()] == ["FR", "GB"]
    await hostile(client, {"kind": "shuffled"})
    assert [element["market"] for element in (await client.get(url)).json()] == ["GB", "FR"]


async def test_a_share_of_the_places_is_struck_always_the_same(
    client: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    hostility = sandbox.shop.backbox.hostility
    await hostile(client, {"kind": "missing", "share": 0.25}, {"kind": "null", "share": 0.1})
    struck = [hostility.strikes("missing", index, "fr-fr") for index in range(1_000)]
    assert 200 < sum(struck) < 300
    assert struck == [hostility.strikes("missing", index, "fr-fr") for index in range(1_000)]
    assert struck != [hostility.strikes("null", index, "fr-fr") for index in range(1_000)]


def test_yen_keep_their_form_under_every_kind() -> None:
    shop = shop_of(markets=("ja-jp",), seed=5)
    listing = place_of(shop, STEADY, "ja-jp")
    for kind in KINDS:
        shop.backbox.hostility.set([Hostile(kind)])
        for element in shop.backbox.competitors(listing) or []:
            for name in ("price", "price_to_win", "winner_price"):
                value = element[name]
                assert value is None or isinstance(value, dict)
                if isinstance(value, dict) and kind != "nonsense":
                    assert Decimal(value["amount"]) == int(value["amount"]) > 0


# -- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [{"speed": 0}, {"speed": 1e9}, {"backbox_settle": (5.0, 1.0)}, {"rival_moves": -1.0}, {"editor": -1.0}],
)
def test_options_that_cannot_be_are_refused(wrong: Json) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        shop_of(**wrong)


def test_speed_is_an_option() -> None:
    shop = shop_of(speed=60.0)
    assert shop.backbox.speed == Live(shop, 1.0).speed == 60.0
