"""A process is killed at every named step of a write, under every answer: what is then true is found by reading."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bmconsole.sandbox.server import running_in_thread
from tests.writes.crashes import Crash, Homes, Shop, crashes, options, wrong_after

KINDS = ("listing", "ship")


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_in_thread(options(1)) as sandbox:
        shop = Shop(sandbox)
        yield shop
        shop.http.close()


@pytest.fixture(scope="module")
def homes(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    return Homes(shop, tmp_path_factory.mktemp("writes") / "filled")


@pytest.mark.parametrize("crash", crashes(*KINDS), ids=str)
def test_a_crash_anywhere_ends_in_the_right_state(shop: Shop, homes: Homes, tmp_path: Path, crash: Crash) -> None:
    assert wrong_after(shop, homes.copy(tmp_path / "home"), crash) == []
