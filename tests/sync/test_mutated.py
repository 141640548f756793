"""Pages whose records are renamed, retyped, nulled, made huge, nested and doubled: only what is bad is lost."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.sync.mutations import Outcome, pull_listings, pull_orders


@pytest.mark.parametrize(("pull", "seed", "pages"), [(pull_orders, 4, 700), (pull_listings, 5, 300)])
async def test_a_pass_loses_nothing_but_what_is_bad(
    tmp_path: Path, pull: Callable[[Path, int, int], Awaitable[Outcome]], seed: int, pages: int
) -> None:
    outcome = await pull(tmp_path, seed, pages)
    assert outcome.wrong() == []
    assert outcome.expected.bad > pages / 2, "hardly anything was bad: this proves little"
