"""Several accounts on one machine: each with its own files, token, engine and colour."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bmconsole.console.look import Tone
from bmconsole.console.widgets.bars import TopBar
from bmconsole.paths import Paths
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread
from bmconsole.settings import load_profile
from bmconsole.settings_checks import COLOURS
from bmconsole.workspace import Workspace
from tests.cli.conftest import Run


@pytest.fixture
def america() -> Iterator[RunningSandbox]:
    with running_in_thread(Options(seed=4, orders=7, listings=5, markets=("en-us",), limits=False)) as shop:
        yield shop


@pytest.fixture
def accounts(
    shop: RunningSandbox, america: RunningSandbox, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Two profiles in one settings file, each with its own token."""
    home = tmp_path / "home"
    monkeypatch.setenv("BMCONSOLE_HOME", str(home))
    config = home / "config" / "config.toml"
    config.parent.mkdir(parents=True, mode=0o700)
    config.write_text(
        f'[profile.eu]\nbase_url = "{shop.url}"\nmarkets = "fr-fr,de-de,en-gb"\ncolour = "blue"\n'
        f'[profile.us]\nbase_url = "{america.url}"\nmarkets = "en-us"\ncolour = "orange"\n'
    )
    assert run("auth", "set", "--profile", "eu", stdin=shop.token).code == 0
    assert run("auth", "set", "--profile", "us", stdin=america.token).code == 0
    return home


def test_each_profile_has_its_own_files_and_token(run: Run, accounts: Path) -> None:
    for name, count in (("eu", 60), ("us", 7)):
        assert run("--profile", name, "auth", "status", "--json").rows[0]["works"] is True
        assert run("--profile", name, "sync", "orders").code == 0
        assert len(run("--profile", name, "orders", "list", "--json", "--limit", "0").rows) == count
    folders = accounts / "data" / "profiles"
    assert sorted(path.name for path in folders.iterdir()) == ["eu", "us"]
    assert sorted(path.name for path in (accounts / "config" / "tokens").iterdir()) == ["eu", "us"]
    told = run("orders", "list", "--json")
    assert told.code == 2, "which of the two is meant has to be said"


async def test_each_profile_has_its_own_engine_and_colour(accounts: Path) -> None:
    paths = Paths.under(accounts)
    eu, us = (load_profile(name, paths=paths) for name in ("eu", "us"))
    async with await Workspace.open(eu, paths) as europe, await Workspace.open(us, paths) as states:
        await europe.engine.start()
        await states.engine.start()
        assert (europe.engine.role, states.engine.role) == ("here", "here")
        assert [(await each.status()).colour for each in (europe, states)] == ["blue", "orange"]


async def test_the_console_shows_the_profile_in_its_colour(accounts: Path) -> None:
    paths = Paths.under(accounts)
    async with await Workspace.open(load_profile("us", paths=paths), paths) as workspace:
        bar = TopBar()
        bar.set_reactive(TopBar.status, await workspace.status())
        assert (" us ", Tone.MARK_ORANGE, "") in bar.line(80)


def test_every_colour_has_a_tone() -> None:
    assert {f"mark-{colour}" for colour in COLOURS} <= {tone.value for tone in Tone}
