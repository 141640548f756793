"""Makes the pictures of the demo's tour, one for each of its steps: `python -m tests.screenshots_demo`.

The story is told over a world that is fixed by its seed and its date, as `bmconsole demo` tells it.
"""

import asyncio
import sys
import tempfile
from functools import partial
from pathlib import Path

from bmconsole.cli.demo import MARKETS, SEED
from bmconsole.console.app import ConsoleApp
from bmconsole.console.tour import STEPS
from bmconsole.console.widgets.sheet import Sheet
from bmconsole.console.widgets.table import VirtualTable
from bmconsole.paths import Paths
from bmconsole.sandbox import ManualClock, Options, running
from bmconsole.settings import SCHEDULE
from bmconsole.story import tell
from bmconsole.workspace import Workspace
from tests.conftest import profile_for
from tests.console.waiting import until
from tests.screenshots import NOW, keep

SIZE = (132, 38)


async def main() -> None:
    options = Options(
        seed=SEED, orders=900, listings=240, markets=MARKETS, now=NOW, clock=ManualClock(NOW), limits=False
    )
    with tempfile.TemporaryDirectory() as home:
        async with running(options) as sandbox:
            profile = profile_for(
                sandbox,
                name="demo",
                markets=MARKETS,
                vat="margin 20",
                timezone="Europe/Paris",
                limits={"competitors": "1000/1"},
                schedule=SCHEDULE | {"watch": "off"},
            )
            paths = Paths.under(Path(home))

            async def open_workspace() -> Workspace:
                return await Workspace.open(profile, paths, console=True)

            async with await Workspace.open(profile, paths) as workspace:
                await tell(workspace)
            app = ConsoleApp(open_workspace)
            async with app.run_test(size=SIZE) as pilot:
                await until(lambda: app.query_one("#orders-table", VirtualTable).row_count > 0)
                await until(lambda: app.status is not None and any(job.next_run for job in app.status.jobs))
                app.action_tour()
                for number, step in enumerate(("Welcome", *(step.title for step in STEPS))):
                    if number:
                        await pilot.press("f8")
                    await until(partial(_says, app, step))
                    await pilot.pause(2.0)
                    app.clear_notifications()
                    await pilot.pause()
                    keep(app, f"demo-{number}", SIZE[0])
                    sys.stderr.write(f"demo-{number} {step}\n")


def _says(app: ConsoleApp, title: str) -> bool:
    return any(title in sheet.text for sheet in app.query("#tour Sheet").results(Sheet))


if __name__ == "__main__":
    asyncio.run(main())
