"""A disk that is full from some step of a write on, and has room again: everything comes to its end by itself."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bmconsole.domain.intents import IntentState
from bmconsole.errors import DiskTrouble
from bmconsole.writes.crashpoints import STEPS
from tests.writes.world import World

T = TypeVar("T")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path)
    world.run(world.workspace.sync(["listings"]))
    monkeypatch.setattr("bmconsole.writes.execute._RELEASE_PAUSE", 0.01)
    yield world
    world.close()


@pytest.mark.parametrize("step", STEPS)
def test_a_write_goes_on_when_there_is_room_again(world: World, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    full = False
    journal = world.workspace._journal
    write: Callable[..., Any] = journal.write

    async def refused(work: Callable[..., T]) -> T:
        if full:
            raise DiskTrouble("The disk is full: journal.db cannot be written.")
        result: T = await write(work)
        return result

    def reached(name: str) -> None:
        nonlocal full
        full = full or name == step

    monkeypatch.setattr(journal, "write", refused)
    monkeypatch.setattr("bmconsole.writes.execute.reached", reached)
    listing = world.ids[0]
    stock = world.run(world.workspace.plan_listing(listing, "fr-fr", {"quantity": "+1"}))
    price = world.run(world.workspace.plan_listing(listing, "de-de", {"price": "231.00"}))
    with pytest.raises(DiskTrouble, match="The disk is full"):
        world.run(world.workspace.apply(replace(stock, intents=(*stock.intents, *price.intents))))
    full, step = False, "never again"
    world.run(settled(world))
    states = {intent.state for intent in world.intents()}
    assert states == {IntentState.CONFIRMED}
    assert world.live(listing, "fr-fr")["quantity"] == 10
    assert world.live(listing, "de-de")["price"] == "231.00"
    assert world.journal.count("POST", "/ws/listings") == 2, "nothing was sent twice"


async def settled(world: World) -> None:
    """Do what the engine does twice a minute until nothing is unfinished."""
    async with asyncio.timeout(5):
        while any(intent.state.unfinished for intent in await world.workspace.intents(limit=0)):
            await world.workspace.settle_left_behind()
            await asyncio.sleep(0.01)
