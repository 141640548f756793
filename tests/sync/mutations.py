"""Pages whose records are renamed, retyped, nulled, made huge, nested and doubled, and what must come of them."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bmconsole.domain.priority import Priority
from bmconsole.sandbox import Options
from bmconsole.sandbox.shop import Shop as Invented
from bmconsole.store.passes import Verdict
from bmconsole.store.sqlite import Row
from bmconsole.sync.listings import ListingsSource
from bmconsole.sync.orders import BACKFILL, OrdersSource
from bmconsole.sync.passes import walk_once
from tests.sync.worlds import Shop, at_work

_PER_PAGE = 6
_DEEP = 3_000

Json = dict[str, Any]


class Literal:
    """A piece of JSON text that no value of Python gives."""

    def __init__(self, text: str) -> None:
        self.text = text


def dumps(record: object) -> str:
    literals: list[str] = []

    def mark(value: object) -> str:
        assert isinstance(value, Literal)
        literals.append(value.text)
        return f"literal-{len(literals) - 1}-"

    text = json.dumps(record, default=mark)
    for number, literal in enumerate(literals):
        text = text.replace(f'"literal-{number}-"', literal)
    return text


NAN, INFINITY = Literal("NaN"), Literal("-Infinity")
HUGE = Literal("1" + "0" * 5_000)
NESTED = Literal("[" * 400 + "]" * 400)
VERY_NESTED = Literal('{"a":[' * _DEEP + "]}" * _DEEP)


def each(names: str, *values: object) -> list[tuple[str, object]]:
    return [(name, value) for name in names.split() for value in values]


GOOD_ANYWHERE: list[tuple[str, object]] = [
    ("something_new", NAN),
    ("something_new", HUGE),
    ("something_new", 2**63),
    ("something_new", NESTED),
    ("something_new", VERY_NESTED),
    ("something_new", "\ud800 alone"),
    ("something_new", {"a": [{"b": INFINITY}]}),
    ("\ud800", "a name that is no text"),
]
"""What may stand in a field that nobody knows."""

GOOD_ORDER: list[tuple[str, object]] = [
    *GOOD_ANYWHERE,
    *each("state price date_modification orderlines shipping_address is_backship", None),
    ("tracking_url", "\udfff\x00\ud800"),
    ("payment_method", 5),
    ("shipping_price", 0),
    ("expected_dispatch_date", "2026-11-23T08:00:00"),
    ("shipping_address", VERY_NESTED),
    ("state", 77),
    ("country_code", "xx-yy"),
]
BAD_ORDER: list[tuple[str, object]] = [
    *each("price shipping_price sales_taxes", NAN, INFINITY, HUGE, [], {}, True),
    *each("state", "x", 1.5, 2**63, HUGE, [1], True),
    *each("date_modification", 12, "yesterday", "2026-13-45", {}, []),
    *each("orderlines", {}, "none", 7, [None], [[]], [5], [{"state": 1}], [{"id": None}]),
    *each("shipping_address", "Paris", [], 4),
    ("shipping_address", {"city": ["Lyon"]}),
    ("price", NESTED),
    ("is_backship", "perhaps"),
    ("currency", "E\ud800R"),
    ("currency", "EURO"),
    ("tracking_number", "x" * 100_000),
    ("orderlines", [{"id": 2**63}]),
    ("orderlines", [{"id": 1, "quantity": HUGE}]),
    ("orderlines", [{"id": 1}, {"id": 1}]),
    ("orderlines", [{"id": 1, "shipping_delay": -1}]),
]
BAD_ID: list[object] = [None, "", "abc", 1.5, NAN, 2**63, HUGE, [1], {"id": 1}, True]
GOOD_LISTING: list[tuple[str, object]] = [
    *GOOD_ANYWHERE,
    *each("sku title quantity price min_price publication_state comment", None),
    ("title", "\ud800"),
    ("price", 449),
    ("quantity", "-1"),
    ("shippings", VERY_NESTED),
    ("shippings", "none"),
]
BAD_LISTING: list[tuple[str, object]] = [
    *each("price min_price max_price", NAN, HUGE, [], {}, "cheap"),
    *each("quantity publication_state", "x", 1.5, 2**63, HUGE, [], {}),
    ("currency", "EURO"),
    ("title", ["iPhone"]),
    ("sku", VERY_NESTED),
    ("comment", "x" * 100_000),
]
BAD_UUID: list[object] = [None, "", "../orders", [1], {"id": 1}, True, "x" * 65, "\ud800"]
NO_RECORDS: list[object] = [None, 5, "text", [], [[]], True, NAN, VERY_NESTED]


@dataclass(slots=True)
class Mutated(Shop):
    """A list of many pages, some of whose records are not as they should be."""

    pages: list[list[str]] = field(default_factory=list)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        after = '"more"' if number < len(self.pages) else "null"
        rows = ",".join(self.pages[number - 1])
        text = f'{{"count": {len(self.pages) * _PER_PAGE}, "next": {after}, "results": [{rows}]}}'
        return httpx.Response(200, headers={"Content-Type": "application/json"}, content=text.encode())


@dataclass
class Expected:
    """What must come of the pages: the good records by key with their marks, how many bad ones, how many in all."""

    pages: list[list[str]] = field(default_factory=list)
    good: dict[str, str] = field(default_factory=dict)
    bad: int = 0
    records: int = 0


def mutate(
    draw: random.Random,
    originals: Iterator[Json],
    pages: int,
    *,
    key: str,
    good: list[tuple[str, object]],
    bad: list[tuple[str, object]],
    bad_keys: list[object],
    rename: str,
) -> Expected:
    found = Expected()
    unique = 0
    for _ in range(pages):
        rows: list[str] = []
        while len(rows) < _PER_PAGE:
            record = next(originals)
            name, unique = str(record[key]), unique + 1
            record["mark"] = unique
            turn = draw.random()
            if turn < 0.72:
                found.good[name] = str(unique)
            elif turn < 0.80:
                field_name, value = draw.choice(good)
                record[field_name] = value
                found.good[name] = str(unique)
            elif turn < 0.82:
                record[f"{rename}_new"] = record.pop(rename)
                found.good[name] = str(unique)
            elif turn < 0.90:
                field_name, value = draw.choice(bad)
                record[field_name] = value
                found.bad += 1
            elif turn < 0.93:
                # The second id goes as well, by which a record would be told apart.
                record.pop("listing_id", None)
                record[key] = draw.choice(bad_keys)
                found.bad += 1
            elif turn < 0.95:
                record[f"{key}_new"] = record.pop(key)
                found.bad += 1
            elif turn < 0.96:
                rows.append(dumps({"record": draw.choice(NO_RECORDS), "mark": unique}))
                found.bad += 1
                continue
            elif turn < 0.98 and len(rows) < _PER_PAGE - 1:
                found.good[name] = str(unique)
                rows.append(dumps(record))
            elif len(rows) < _PER_PAGE - 1:
                found.good[name] = str(unique)
                rows.append(dumps(record))
                record["mark"] = f"other {unique}"
                found.bad += 1
            else:
                found.good[name] = str(unique)
            rows.append(dumps(record))
        found.records += len(rows)
        found.pages.append(rows)
    return found


def originals(shop: Invented, render: Callable[[int], bytes], count: int) -> Iterator[Json]:
    for index in range(count):
        yield json.loads(render(index))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the pages: the marks of the records that were kept, by key, and the errors of those put aside."""

    expected: Expected
    verdict: Verdict
    kept: dict[str, str]
    aside: list[str | None]
    read: int
    """How many pages."""

    def wrong(self) -> list[str]:
        """Return what is not as it must be."""
        wrong = []
        good = self.expected.good
        if lost := sorted(good.keys() - self.kept.keys()):
            wrong.append(f"{len(lost)} good records were lost, such as {lost[:3]}")
        if more := sorted(self.kept.keys() - good.keys()):
            wrong.append(f"{len(more)} bad records were kept, such as {more[:3]}")
        if other := [name for name, mark in self.kept.items() if good.get(name, mark) != mark]:
            wrong.append(f"{len(other)} records are another's, such as {other[:3]}")
        if not len(self.aside) == self.verdict.quarantined == self.expected.bad:
            aside, told = len(self.aside), self.verdict.quarantined
            wrong.append(f"{aside} were put aside and {told} told, of {self.expected.bad} bad ones")
        if not all(self.aside):
            wrong.append("something was put aside without a reason")
        if (self.verdict.seen + self.verdict.dups, self.verdict.clean) != (self.expected.records, False):
            wrong.append(f"{self.verdict.seen} seen and {self.verdict.dups} twice of {self.expected.records}")
        if self.read != len(self.expected.pages):
            wrong.append(f"{self.read} pages read of {len(self.expected.pages)}")
        return wrong


async def pull_orders(folder: Path, seed: int, pages: int) -> Outcome:
    """Let the backfill read so many pages of orders."""
    shop = Invented(Options(seed=3, orders=pages * _PER_PAGE, listings=40))
    expected = mutate(
        random.Random(seed),
        originals(shop, shop.order_bytes, len(shop.orders)),
        pages,
        key="order_id",
        good=GOOD_ORDER,
        bad=BAD_ORDER,
        bad_keys=BAD_ID,
        rename="payment_method",
    )
    world = Mutated(seed=1, rate=1.0, page_cap=50, pages=expected.pages)
    async with at_work(world, folder) as sources:
        source = OrdersSource(sources, None, Priority.NORMAL, BACKFILL)
        walk, verdict = await walk_once(source, sources, kind="backfill", since=None, show=None)
        rows = await sources.mirror.read(lambda c: c.execute("SELECT order_id AS key, raw FROM orders").fetchall())
        aside = await sources.mirror.read(lambda c: c.execute("SELECT error FROM quarantine").fetchall())
    return Outcome(expected, verdict, _marks(rows), [row["error"] for row in aside], walk.pages)


async def pull_listings(folder: Path, seed: int, pages: int) -> Outcome:
    """Let a full pass read so many pages of listings of one market."""
    shop = Invented(Options(seed=3, orders=0, listings=pages * _PER_PAGE))
    expected = mutate(
        random.Random(seed),
        originals(shop, lambda index: shop.listing_bytes(index, "fr-fr"), pages * _PER_PAGE),
        pages,
        key="id",
        good=GOOD_LISTING,
        bad=BAD_LISTING,
        bad_keys=BAD_UUID,
        rename="warranty_delay",
    )
    world = Mutated(seed=1, rate=1.0, page_cap=50, pages=expected.pages)
    async with at_work(world, folder, markets=("fr-fr",)) as sources:
        source = ListingsSource(sources, "fr-fr", Priority.NORMAL, "listings:fr-fr", "listings:fr-fr")
        walk, verdict = await walk_once(source, sources, kind="full", since=None, show=None)
        rows = await sources.mirror.read(lambda c: c.execute("SELECT listing AS key, raw FROM offers").fetchall())
        aside = await sources.mirror.read(lambda c: c.execute("SELECT error FROM quarantine").fetchall())
    return Outcome(expected, verdict, _marks(rows), [row["error"] for row in aside], walk.pages)


def _marks(rows: list[Row]) -> dict[str, str]:
    return {str(row["key"]): str(json.loads(row["raw"])["mark"]) for row in rows}
