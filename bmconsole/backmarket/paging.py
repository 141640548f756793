"""Pages of `count`, `next` and `results`, asked for by number."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from bmconsole.backmarket.failures import unexpected
from bmconsole.backmarket.wire import Record
from bmconsole.domain.priority import Priority
from bmconsole.errors import NotFound

if TYPE_CHECKING:
    # At run time it comes with the call; who only reads records needs no HTTP
    from bmconsole.backmarket.client import Client

LARGEST_PAGE = 50
"""Back Market gives no more however many are asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    `count` is the length of the whole list as the server states it, None where it did not (past the end);
    `records` are the objects as they came, to be parsed one by one. Something in the list that is no object stands as
    `{"record": it}`, so that it is quarantined like any other fault.
    """

    count: int | None
    has_next: bool
    records: list[Record]
    server_date: datetime | None


async def page_of(
    client: "Client",
    path: str,
    params: Mapping[str, str | int | None],
    *,
    number: int,
    size: int,
    market: str | None = None,
    priority: Priority,
) -> Page:
    """Return page `number` (from 1) of the list at `path`; a page past the end is empty.

    Raises:
        BmError: No usable answer. A missing first page is one: it would pass for an empty list.
    """
    asked: dict[str, str | int] = {name: value for name, value in params.items() if value is not None}
    asked |= {"page": number, "page-size": min(size, LARGEST_PAGE)}
    try:
        answer = await client.get_json(path, params=asked, market=market, priority=priority)
    except NotFound:
        if number <= 1:
            raise
        return Page(None, has_next=False, records=[], server_date=None)
    data = answer.data
    results = data.get("results") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(results, list):
        raise unexpected(f"Back Market answered {path} with something that is no page of a list.", {}, writes=False)
    count = data.get("count")
    return Page(
        count=count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None,
        has_next=bool(data.get("next")),
        records=[item if isinstance(item, dict) else {"record": item} for item in results],
        server_date=answer.server_date,
    )


async def record_at(
    client: "Client", path: str, params: Mapping[str, str | int], *, market: str | None = None, priority: Priority
) -> tuple[Record, datetime | None]:
    """Return the one object at `path` and the server's date.

    Raises:
        BmError: No usable answer; NotFound where there is none.
    """
    answer = await client.get_json(path, params=params, market=market, priority=priority)
    if not isinstance(answer.data, dict):
        raise unexpected(f"Back Market answered {path} with something that is no object.", {}, writes=False)
    return answer.data, answer.server_date
