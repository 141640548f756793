"""Reads a page of the API: good records, those to put aside, and what the records are made of."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Generic, TypeVar

from bmconsole.backmarket.paging import Page
from bmconsole.backmarket.wire import InvalidRecord, Record
from bmconsole.backmarket.wirejson import dumps
from bmconsole.domain.text import clean
from bmconsole.store.quarantine import Rejected
from bmconsole.sync.courtesy import Courtesy
from bmconsole.sync.fields import Fields, Shape, shape_of

R = TypeVar("R")

_LARGEST_COUNT = 10**12
_AT_ONCE = 5
"""So many records are read before the event loop gets its turn again."""


@dataclass(frozen=True, slots=True)
class FetchedPage(Generic[R]):
    """A page of the API, told apart into good records, those to put aside, and names of fields nobody knows.

    `count` is the server's total, None where it stated none, as behind the end. `keys` name all records of the page,
    repeated ones too; `good` name those in `records`. `asked_at` is the server's clock when it was asked.
    """

    count: int | None
    more: bool
    records: Sequence[R]
    rejected: Sequence[Rejected]
    keys: Sequence[str]
    good: Sequence[str]
    unknown: frozenset[str]
    shape: Shape
    server_date: datetime | None
    asked_at: datetime


async def read_page(
    page: Page,
    parse: Callable[[Record, str], R],
    key: Callable[[R], str],
    named: Callable[[Record], str | None],
    fields: Fields,
    *,
    asked_at: datetime,
    courtesy: Courtesy,
) -> FetchedPage[R]:
    """Tell the records of a page apart. Of records with the same id the first counts; one that differs is put aside.

    `named` returns the id of a record that cannot be read, as it would be the key of a good one, or None; such a record
    is told from others by its text.
    """
    async with courtesy.alone():
        return await _read(page, parse, key, named, fields, asked_at=asked_at, courtesy=courtesy)


async def _read(
    page: Page,
    parse: Callable[[Record, str], R],
    key: Callable[[R], str],
    named: Callable[[Record], str | None],
    fields: Fields,
    *,
    asked_at: datetime,
    courtesy: Courtesy,
) -> FetchedPage[R]:
    good: dict[str, tuple[R, str]] = {}
    bad: list[tuple[str, str, str]] = []
    keys: list[str] = []
    unknown: set[str] = set()
    shapes: Counter[frozenset[str]] = Counter()
    for place, record in enumerate(page.records):
        if place % _AT_ONCE == _AT_ONCE - 1:
            await courtesy.step()
        raw = dumps(record)
        paths, news = fields.of(record)
        shapes[paths] += 1
        unknown |= news
        try:
            parsed = parse(record, raw)
        except InvalidRecord as error:
            keys.append(name := named(record) or f"?{_hash(raw)}")
            bad.append((name, raw, clean(error, limit=400)))
            continue
        keys.append(name := key(parsed))
        if name not in good:
            good[name] = (parsed, raw)
        elif good[name][1] != raw:
            bad.append((name, raw, "the same id twice on a page"))
    return FetchedPage(
        count=page.count if page.count is None or page.count < _LARGEST_COUNT else None,
        more=page.has_next,
        records=[parsed for parsed, _ in good.values()],
        rejected=_told_apart(bad, good),
        keys=keys,
        good=list(good),
        unknown=frozenset(unknown),
        shape=shape_of(shapes),
        server_date=page.server_date,
        asked_at=asked_at,
    )


def _told_apart(bad: Sequence[tuple[str, str, str]], good: Mapping[str, object]) -> list[Rejected]:
    """Give each bad record a key of its own, also where a good one or another bad one has its id."""
    often = Counter(name for name, _, _ in bad)
    return [
        Rejected(f"{name}~{_hash(raw)}" if name in good or often[name] > 1 else name, raw, error)
        for name, raw, error in bad
    ]


def _hash(raw: str) -> str:
    return blake2b(raw.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
