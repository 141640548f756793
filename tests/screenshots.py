"""Makes the pictures in `screenshots/`: every tab of the console over a sandbox with invented data, as SVG and PNG.

Run by hand with `python -m tests.screenshots [NAME…]`; it needs cairosvg and the font Fira Code. The world is fixed by
its seed and its date, so that two runs show the same rows.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import cairosvg
from pydantic import SecretStr
from textual.pilot import Pilot

from bmconsole.console.app import ConsoleApp
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.paths import Paths
from bmconsole.sandbox import ManualClock, Options, running
from bmconsole.settings import Profile
from bmconsole.workspace import Workspace
from tests.console.waiting import until

FOLDER = Path(__file__).parent.parent / "screenshots"
MARKETS = ("fr-fr", "de-de", "es-es")
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WIDE, NARROW = (160, 48), (80, 24)

Console = Pilot[None]


async def orders(pilot: Console) -> None:
    """The orders, some rows down."""
    await pilot.press("j", "j", "j")


async def orders_filtered(pilot: Console) -> None:
    """The orders that wait to be shipped."""
    await pilot.press("slash", *"status:to-ship price>200", "enter")
    await until(lambda: bool(pilot.app.query_one("#orders-table", VirtualTable).cursor_key))


async def listings(pilot: Console) -> None:
    """The listings of the second market."""
    await pilot.press("2", "m")
    await until(lambda: bool(pilot.app.query_one("#listings-table", VirtualTable).row_count))
    await pilot.press(*"jjjjj")


async def inspect(pilot: Console) -> None:
    """An order, cached beside live."""
    await pilot.press("1", "j", "j", "enter")
    await until(lambda: "live at" in shown(pilot, "#inspect-head"))


async def edit(pilot: Console) -> None:
    """A listing with a new price typed."""
    await pilot.press("2", "j", "j", "j", "enter")
    await until(lambda: bool(pilot.app.query_one("#field-price").query_one("Input").has_focus))
    await pilot.press(*"231.50", "down", *"199")
    await until(lambda: "→" in shown(pilot, "#field-min_price Sheet"))


async def diff(pilot: Console) -> None:
    """The dialog before a write."""
    await edit(pilot)
    await pilot.press("enter")
    await until(lambda: len(pilot.app.screen_stack) == 2)


async def log(pilot: Console) -> None:
    """What the workers did."""
    await pilot.press("5")
    await until(lambda: pilot.app.query_one("#log-table", VirtualTable).row_count > 2)


async def help_(pilot: Console) -> None:
    """The help."""
    await pilot.press("question_mark")


SHOTS: dict[str, tuple[Callable[[Console], Awaitable[None]], tuple[int, int]]] = {
    "orders": (orders, WIDE),
    "orders-filtered": (orders_filtered, WIDE),
    "listings": (listings, WIDE),
    "inspect": (inspect, WIDE),
    "edit": (edit, WIDE),
    "diff": (diff, WIDE),
    "log": (log, WIDE),
    "help": (help_, WIDE),
    "orders-80x24": (orders, NARROW),
    "listings-80x24": (listings, NARROW),
    "inspect-80x24": (inspect, NARROW),
    "edit-80x24": (edit, NARROW),
    "log-80x24": (log, NARROW),
}


def shown(pilot: Console, selector: str) -> str:
    """Return the text of a sheet."""
    return pilot.app.query_one(selector, Sheet).text


async def shoot(name: str, profile: Profile, paths: Paths) -> None:
    """Take one picture from a console of its own over the filled cache."""
    prepare, size = SHOTS[name]

    async def open_workspace() -> Workspace:
        return await Workspace.open(profile, paths, console=True)

    app = ConsoleApp(open_workspace, state=paths.state)
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.query_one("#orders-table", VirtualTable).row_count > 0)
        await until(lambda: app.status is not None and any(job.next_run for job in app.status.jobs))
        await prepare(pilot)
        await pilot.pause()
        svg = app.export_screenshot(title="bmconsole")
    (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")
    cairosvg.svg2png(bytestring=svg.encode(), write_to=str(FOLDER / f"{name}.png"), output_width=10 * size[0])


async def main(names: list[str]) -> None:
    """Fill a cache from a sandbox and take the pictures called `names`, all without any."""
    FOLDER.mkdir(exist_ok=True)
    options = Options(
        seed=3, orders=1_200, listings=400, markets=MARKETS, now=NOW, clock=ManualClock(NOW), limits=False
    )
    with tempfile.TemporaryDirectory() as home:
        async with running(options) as sandbox:
            profile = Profile.model_validate(
                {
                    "name": "demo",
                    "base_url": sandbox.url,
                    "token": SecretStr(sandbox.token),
                    "token_source": "sandbox",
                    "markets": MARKETS,
                    "timezone": "Europe/Paris",
                    "limits": {"edge": "2000/1", "competitors": "1000/1"},
                    "schedule": {"backbox": "off", "repricing": "off", "watch": "off"},
                }
            )
            paths = Paths.under(Path(home))
            async with await Workspace.open(profile, paths) as workspace:
                await workspace.sync(["orders", "listings", "backbox"])
            for name in names or SHOTS:
                await shoot(name, profile, paths)
                sys.stderr.write(f"{name}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
