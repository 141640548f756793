"""Makes the pictures in `screenshots/`: every tab of the console over a sandbox with invented data, as SVG and PNG.

Run by hand with `python -m tests.screenshots [NAME…]`; it needs cairosvg and the font Fira Code (for letters which that
has not, any font that fontconfig finds). The world is fixed by its seed and its date, so that two runs show the same.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape, unescape
from itertools import groupby
from pathlib import Path

import cairosvg
from pydantic import SecretStr
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from bmconsole.console.app import ConsoleApp
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.domain.views import Query
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running
from bmconsole.sandbox.control import edit_order
from bmconsole.workspace import Workspace
from tests.console.waiting import until
from tests.screenshots_overview import LOOKS
from tests.screenshots_pricing import PRICED, fill, in_several_grades
from tests.screenshots_writes import SCENES

FOLDER = Path(__file__).parent.parent / "screenshots"
MARKETS = ("fr-fr", "de-de", "es-es")
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WIDE, NARROW = (160, 48), (80, 24)
CELL = 12.2
"""The width of a terminal cell in Textual's SVG."""


@dataclass
class Scene:
    """A console that runs over a sandbox."""

    pilot: Pilot[None]
    sandbox: RunningSandbox
    listing: str
    """The SKU of a listing that competes and could win."""
    several: str
    """The SKU of one with a past whose product is sold in several grades; empty before prices are decided."""

    def table(self, name: str) -> "VirtualTable[object]":
        return self.pilot.app.query_one(f"#{name}", VirtualTable)

    def shown(self, selector: str) -> str:
        return self.pilot.app.query_one(selector, Sheet).text

    async def search(self, text: str, table: str) -> None:
        """Filter the table on screen."""
        await self.pilot.press("slash", *text, "enter")
        await until(lambda: self.table(table).has_focus)
        await self.pilot.pause()


async def orders(scene: Scene) -> None:
    """The orders, some rows down."""
    await scene.pilot.press("j", "j", "j")


async def orders_filtered(scene: Scene) -> None:
    """The orders that wait to be shipped."""
    await scene.search("status:to-ship price>400", "orders-table")
    await scene.pilot.press("S", "j", "j")


async def listings(scene: Scene) -> None:
    """The listings of the main market, those with the widest gap first."""
    await scene.pilot.press("2")
    await until(lambda: bool(scene.table("listings-table").row_count))
    while scene.table("listings-table").sort != "gap":
        await scene.pilot.press("s")
    await scene.pilot.press("S", *"jjjj")


async def inspect(scene: Scene) -> None:
    """An order that was shipped elsewhere since it was cached."""
    await scene.search("status:to-ship", "orders-table")
    await scene.pilot.press("j")
    await until(lambda: scene.table("orders-table").cursor_key is not None)
    index = scene.sandbox.shop.orders.find(int(scene.table("orders-table").cursor_key or 0))
    assert index is not None
    order = scene.sandbox.shop.orders.get(index)
    lines = {str(line.id): {"state": 3, "imei": "356938035643809"} for line in order.lines}
    edit_order(
        scene.sandbox.shop,
        order,
        {"lines": lines, "tracking_number": "6A59543257850", "shipper": "Colissimo", "extra": {"gift_wrap": "ribbon"}},
    )
    await scene.pilot.press("enter")
    await until(lambda: "   live " in scene.shown("#inspect-head"))


async def edit(scene: Scene) -> None:
    """A listing with a new price and a least price above it typed."""
    await scene.pilot.press("2")
    await scene.search(f"sku:{scene.listing}", "listings-table")
    await scene.pilot.press("enter")
    field = scene.pilot.app.query_one("#field-price").query_one(Input)
    await until(lambda: field.has_focus and bool(field.value))
    await scene.pilot.press(*_cheaper(field.value), "down", "down", *"+2")
    await until(lambda: "→" in scene.shown("#field-quantity Sheet"))


def _cheaper(price: str) -> str:
    return f"{int(float(price)) - 6}.50"


async def diff(scene: Scene) -> None:
    """The dialog before a write."""
    await edit(scene)
    await scene.pilot.press("enter")
    await until(lambda: len(scene.pilot.app.screen_stack) == 2)


async def written(scene: Scene) -> None:
    """After a write that was read back."""
    await diff(scene)
    await scene.pilot.press("y")
    await until(lambda: "confirmed" in scene.shown("#edit-message"))
    await until(lambda: "confirmed" in scene.shown("#edit Sheet#writes"))
    scene.pilot.app.clear_notifications()


async def log(scene: Scene) -> None:
    """What the workers did."""
    await scene.pilot.press("5")
    await until(lambda: scene.table("log-table").row_count > 2)


async def help_(scene: Scene) -> None:
    """The help."""
    await scene.pilot.press("question_mark")


async def palette(scene: Scene) -> None:
    """The palette of actions."""
    await scene.pilot.press("ctrl+p", *"sync")
    await scene.pilot.pause(0.5)


async def light(scene: Scene) -> None:
    """The orders in the light theme."""
    await scene.pilot.press("T", "j")


SHOTS: dict[str, tuple[Callable[[Scene], Awaitable[None]], tuple[int, int]]] = {
    "orders": (orders, WIDE),
    "orders-filtered": (orders_filtered, WIDE),
    "orders-light": (light, WIDE),
    "listings": (listings, WIDE),
    "inspect": (inspect, WIDE),
    "edit": (edit, WIDE),
    "diff": (diff, WIDE),
    "help": (help_, WIDE),
    "palette": (palette, WIDE),
    "written": (written, WIDE),
    "log": (log, WIDE),
    "orders-80x24": (orders, NARROW),
    "listings-80x24": (listings, NARROW),
    "inspect-80x24": (inspect, NARROW),
    "edit-80x24": (edit, NARROW),
    "log-80x24": (log, NARROW),
    **{name: (scene, WIDE) for name, scene in LOOKS.items()},
    **{f"{name}-80x24": (scene, NARROW) for name, scene in LOOKS.items()},
    **{name: (scene, WIDE) for name, scene in SCENES.items()},
    **{f"{name}-80x24": (SCENES[name], NARROW) for name in ("scan", "writes")},
    **{name: (scene, WIDE) for name, scene in PRICED.items()},
    **{f"{name}-80x24": (PRICED[name], NARROW) for name in ("listing-page", "pricing", "price-history")},
}


async def shoot(name: str, sandbox: RunningSandbox, profile: Profile, paths: Paths) -> None:
    """Take one picture from a console of its own over the filled cache."""
    prepare, size = SHOTS[name]
    listing = several = ""

    async def open_workspace() -> Workspace:
        nonlocal listing, several
        workspace = await Workspace.open(profile, paths, console=True)
        # One request, so that the status line has something to tell.
        await workspace.inspect_order((await workspace.orders_page(Query(limit=1)))[0].order_id)
        listing = (await workspace.listings_page(Query(where="winnable", sort="-price", limit=1)))[0].sku
        if prepare in PRICED.values():
            several = await in_several_grades(workspace)
        return workspace

    app = ConsoleApp(open_workspace)
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.query_one("#orders-table", VirtualTable).row_count > 0)
        await until(lambda: app.status is not None and any(job.next_run for job in app.status.jobs))
        await prepare(Scene(pilot, sandbox, listing, several))
        await pilot.pause()
        keep(app, name, size[0])


def keep(app: ConsoleApp, name: str, columns: int) -> None:
    """Write what a console shows, as SVG and PNG."""
    # The font comes from the machine that shows the picture, not from a network.
    svg = re.sub(r',?\s*url\("https:[^)]*\) format\("\w+"\)', "", app.export_screenshot(title="bmconsole"))
    (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")
    png = FOLDER / f"{name}.png"
    cairosvg.svg2png(bytestring=with_fallbacks(svg).encode(), write_to=str(png), output_width=10 * columns)


def with_fallbacks(svg: str) -> str:
    """Return the SVG with letters that Fira Code has not in elements of their own, in a font that has them.

    Browsers do that themselves, cairosvg draws boxes.
    """
    return re.sub(r'<text ([^>]*?)x="([\d.]+)"([^>]*?)textLength="[\d.]+"([^>]*)>([^<]*)</text>', _split, svg)


def _split(match: re.Match[str]) -> str:
    before, x, between, after, content = match.groups()
    text = unescape(content)
    if all(_font_of(letter) is None for letter in text):
        return match[0]
    parts, at = [], float(x)
    # A braille letter stands alone: in another font it is not as wide as a cell, and a row of them would run away.
    for (font, _), letters in groupby(enumerate(text), lambda each: (_font_of(each[1]), _alone(*each))):
        run = "".join(letter for _, letter in letters)
        length = cell_len(run) * CELL
        style = f' style="font-family: {font}"' if font else ""
        shown = escape(run).replace(" ", "&#160;")
        parts.append(f'<text {before}x="{at:.1f}"{between}textLength="{length:.1f}"{after}{style}>{shown}</text>')
        at += length
    return "".join(parts)


def _alone(place: int, letter: str) -> int:
    return place if "\u2800" <= letter <= "\u28ff" else -1


@cache
def _font_of(letter: str) -> str | None:
    """Return the family to draw a letter with where Fira Code lacks it."""
    if ord(letter) < 0x180:
        return None
    charset = f"{ord(letter):x}"
    for family in ("Fira Code", "DejaVu Sans Mono", ""):
        pattern = f"{family}:charset={charset}"
        found = subprocess.run(["fc-list", pattern, "family"], capture_output=True, text=True, check=True).stdout
        if found.strip():
            return None if family == "Fira Code" else found.splitlines()[0].split(",")[0]
    return None


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
                    "vat": "margin 20",
                    "limits": {"edge": "200/10", "competitors": "1000/1"},
                    "schedule": {"orders": "15m", "listings": "1h", "backbox": "1h", "repricing": "1h", "watch": "off"},
                }
            )
            paths = Paths.under(Path(home))
            async with await Workspace.open(profile, paths) as workspace:
                await workspace.sync(["orders", "listings", "backbox"])
            decided = False
            for name in names or SHOTS:
                if name.removesuffix("-80x24") in PRICED and not decided:
                    decided = True
                    async with await Workspace.open(profile, paths) as workspace:
                        await fill(workspace)
                await shoot(name, sandbox, profile, paths)
                sys.stderr.write(f"{name}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
