"""A console over a sandbox, driven without a terminal."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from bmconsole.console.app import ConsoleApp
from bmconsole.console.personal import Personal
from bmconsole.console.widgets.dialogs import DiffDialog
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import RunningSandbox
from bmconsole.workspace import Workspace
from tests.conftest import profile_for
from tests.console.waiting import until


@dataclass
class Desk:
    """A running console and what a test needs to work at it."""

    app: ConsoleApp
    pilot: Pilot[None]
    workspace: Workspace
    sandbox: RunningSandbox

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def search(self, expression: str) -> None:
        """Filter the table on screen; returns when the filter is in force or refused."""
        tab = self.app.listings if self.app.current is self.app.listings else self.app.orders
        await self.press("slash")
        tab.bar.query_one(Input).value = expression
        await self.press("enter")
        await until(lambda: tab.table.has_focus or tab.bar.has_class("-faulty"))
        await self.pilot.pause()

    async def confirm(self) -> None:
        """Confirm the diff on screen, with its number where it asks for one."""
        dialog = self.app.screen
        assert isinstance(dialog, DiffDialog)
        await self.press(*(str(dialog.plan.confirm), "enter") if dialog.plan.confirm else "y")

    async def open_listing(self, sku: str) -> None:
        """Go to the Edit tab of a listing, the cursor in its price."""
        await self.press("2")
        await until(lambda: self.app.listings.table.row_count > 0)
        await self.search(f"sku:{sku}")
        await until(lambda: self.app.listings.table.row_count == 1 and self.app.listings.table.cursor_key is not None)
        await self.press("enter")
        price = self.app.edit.form.field("price").input
        await until(lambda: price.has_focus and bool(price.value))


Sit = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
async def filled(workspace: Workspace) -> Workspace:
    """A workspace whose cache holds the sandbox's shop."""
    await workspace.sync(["orders", "listings"])
    return workspace


@pytest.fixture
def sit(sandbox: RunningSandbox, tmp_path: Path) -> Sit:
    """Sit down at a console; arguments change its profile."""

    @asynccontextmanager
    async def desk(
        size: tuple[int, int] = (140, 40), personal: Personal | None = None, **changes: object
    ) -> AsyncIterator[Desk]:
        profile: Profile = profile_for(sandbox, **changes)
        opened: list[Workspace] = []

        async def open_workspace() -> Workspace:
            opened.append(await Workspace.open(profile, Paths.under(tmp_path), console=True))
            return opened[0]

        app = ConsoleApp(open_workspace, personal=personal)
        async with app.run_test(size=size) as pilot:
            await until(lambda: app.status is not None and app.current.ready)
            yield Desk(app, pilot, opened[0], sandbox)

    return desk
