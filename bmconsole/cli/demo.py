"""`bmconsole demo`: the console on an invented shop, in a folder of its own, without an account."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.signals import leaving_on_sigterm
from bmconsole.domain.times import parse_duration
from bmconsole.errors import BmError, UsageError
from bmconsole.faults import watched
from bmconsole.paths import Paths, write_private

if TYPE_CHECKING:
    from bmconsole.profile import Profile
    from bmconsole.workspace import Workspace

Announced = dict[str, str | int]

PROFILE = "demo"
MARKETS = ("fr-fr", "de-de", "es-es", "it-it", "en-gb")

SEED = 24
"""The demo's world: the same one each time."""

_START_SECONDS = 60.0
_END_SECONDS = 5.0


@click.command(cls=Command)
@click.option("--headless", is_flag=True, help="No console: the engine, and a JSON line that says where everything is.")
@click.option("--keep", is_flag=True, help="Keep the folder, and say where it is.")
@click.option("--for", "duration", metavar="TIME", help="End by itself after 60s, 5m … (headless).")
@click.pass_obj
def demo(call: Call, headless: bool, keep: bool, duration: str | None) -> int:
    """Show the console on an invented shop.

    It works in a folder of its own; an account's settings and variables are left alone.
    """
    seconds = _seconds(duration)
    if seconds is not None and not headless:
        raise UsageError("--for goes with --headless.", field="for", value=duration)
    if not headless and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("The console needs a terminal.", hint="Without one: bmconsole demo --headless")
    from bmconsole.console.start import prepare, run_console

    with leaving_on_sigterm(), _folder(call, keep=keep) as home, _sandbox() as announcement:
        paths = Paths.under(home)
        # While it starts: whoever watches waits for both
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(_make_files, paths)
            if not headless:
                prepare()
            made.result()
        announced = announcement()
        profile = _profile(announced, "viewer" if call.read_only else "operator")
        _settle_in(profile, paths)
        if not headless:
            return run_console(profile, paths, story=_story)
        sys.stdout.write(json.dumps(announced | {"home": str(home)}) + "\n")
        sys.stdout.flush()
        return _serve(call, profile, paths, seconds)


async def _story(workspace: "Workspace") -> None:
    # It brings HTTP, which the first paint does without
    from bmconsole.story import tell

    await tell(workspace)


def _serve(call: Call, profile: "Profile", paths: Paths, seconds: float | None) -> int:
    from bmconsole.cli.engine import serve
    from bmconsole.workspace import Workspace

    async def work() -> int:
        async with await Workspace.open(profile, paths) as workspace:
            story = asyncio.create_task(_story(workspace))
            try:
                return await serve(call, workspace, seconds=seconds)
            finally:
                story.cancel()
                with suppress(asyncio.CancelledError, BmError):
                    await story

    return asyncio.run(watched(work()))


def _seconds(duration: str | None) -> float | None:
    if duration is None:
        return None
    try:
        return parse_duration(duration).total_seconds()
    except ValueError as error:
        raise UsageError(f"--for: {error}.", field="for", value=duration, hint="Write 60s, 5m or 1h.") from None


def _profile(announced: Announced, access: str) -> "Profile":
    from bmconsole.profile import Profile
    from bmconsole.settings_checks import SCHEDULE

    return Profile.model_validate(
        {
            "name": PROFILE,
            "base_url": announced["url"],
            "token": announced["token"],
            "token_source": PROFILE,
            "markets": MARKETS,
            "access": access,
            # The sandbox has no limits: nobody wants to wait for a story.
            "limits": {"competitors": "100/1"},
            "schedule": SCHEDULE | {"orders": "20s", "listings": "5m", "backbox": "10m", "repricing": "10m"},
            "vat": "margin 20",
        }
    )


def _make_files(paths: Paths) -> None:
    from bmconsole.cache import Files

    Files(PROFILE, paths).close()


def _settle_in(profile: "Profile", paths: Paths) -> None:
    """Write the profile into the folder, so that other commands work on it: BMCONSOLE_HOME=… bmconsole orders list."""
    from bmconsole.credentials import store_token

    assert profile.token is not None  # noqa: S101  # the sandbox announced it
    store_token(profile.name, paths, profile.token.get_secret_value())
    write_private(
        paths.config_file,
        f"[profile.{profile.name}]\n"
        f"base_url = {json.dumps(profile.base_url)}\n"
        f"markets = {json.dumps(','.join(profile.markets))}\n"
        f"access = {json.dumps(profile.access)}\n"
        f"vat = {json.dumps(profile.vat)}\n"
        f"limits.competitors = {json.dumps(profile.limits['competitors'])}\n"
        + "".join(f"schedule.{name} = {json.dumps(every)}\n" for name, every in profile.schedule.items()),
    )


@contextmanager
def _folder(call: Call, *, keep: bool) -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="bmconsole-demo-"))
    if not keep:
        from bmconsole.console.hangup import at_hang_up

        at_hang_up(lambda: shutil.rmtree(home, ignore_errors=True))
    try:
        yield home
    finally:
        if keep:
            call.say(f"Everything is kept in {home}: BMCONSOLE_HOME={home} bmconsole orders list")
        else:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _sandbox() -> Iterator[Callable[[], Announced]]:
    """Run a sandbox as a child on a free port; it ends when this process does.

    Gives a function that waits for what it announces.

    Raises:
        BmError: From that function: it did not start.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BMCONSOLE_")}
    child = subprocess.Popen(  # noqa: S603  # our own module
        [
            *(sys.executable, "-m", "bmconsole.sandbox", "--port", "0", "--until-stdin-closes"),
            *("--markets", ",".join(MARKETS), "--seed", str(SEED), "--no-limits"),
            *("--orders", "900", "--listings", "240"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment | {"BMCONSOLE_SANDBOX_TOKEN": secrets.token_urlsafe(24)},
        # Its own session, so that Ctrl-C in the terminal ends us first, and then it
        start_new_session=True,
    )
    assert child.stdin is not None  # noqa: S101  # both are pipes
    assert child.stdout is not None  # noqa: S101
    try:
        yield partial(_announced, child.stdout, child.kill)
    finally:
        child.stdin.close()
        child.stdout.close()
        try:
            child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _announced(output: IO[bytes], give_up: Callable[[], None]) -> Announced:
    impatience = threading.Timer(_START_SECONDS, give_up)
    impatience.start()
    try:
        line = output.readline()
    finally:
        # Whoever is told to end meanwhile does not wait for it
        impatience.cancel()
    try:
        announced = json.loads(line)
    except ValueError:
        raise BmError("The sandbox did not start.", hint="Try “bmconsole sandbox”, which says why.") from None
    return {name: announced[name] for name in ("url", "token", "pid")}
