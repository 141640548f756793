"""The first run: what is wrong is told where it was typed, nothing is written before all is right, and it syncs."""

import asyncio
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from bmconsole import beginning
from bmconsole.beginning import Answers, with_host, with_markets, with_user_agent
from bmconsole.console.beginning import FirstRun, Question
from bmconsole.domain.views import PassResult
from bmconsole.errors import SettingsError
from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import Options, RunningSandbox, running
from tests.conftest import MARKETS
from tests.console.test_pty import terminal
from tests.console.waiting import until


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running(Options(seed=7, orders=60, listings=20, markets=MARKETS, limits=False)) as shop:
        yield shop


async def answer(app: FirstRun, pilot: Pilot[Profile], name: str, text: str) -> Question:
    """Type an answer, and wait until it is judged."""
    question = next(question for question in app.questions if question.asked == name)
    question.input.focus()
    question.input.value = text
    await pilot.press("enter")
    await until(lambda: not app._asking and "asking" not in question.said.text, seconds=20.0)
    await pilot.pause()
    return question


def focused(app: FirstRun) -> str:
    return next((question.asked for question in app.questions if question.input.has_focus), "")


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("https://shop.example", "not a host of Back Market"),
        ("http://www.backmarket.fr", "in clear"),
        ("https://www.backmarket.fr/ws/orders", "must end after the host"),
    ],
)
async def test_a_host_that_a_token_may_not_go_to_is_refused_at_once(tmp_path: Path, host: str, told: str) -> None:
    app = FirstRun(Paths.under(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        question = await answer(app, pilot, "host", host)
        assert told in question.said.text
        assert focused(app) == "host"
    assert not app.answers.base_url


async def test_a_host_that_does_not_answer_is_told_at_the_host(tmp_path: Path) -> None:
    app = FirstRun(Paths.under(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await answer(app, pilot, "host", "http://127.0.0.1:9")
        await answer(app, pilot, "agent", "")
        await answer(app, pilot, "token", "some-token")
        host = app.questions[0]
        assert host.said.text.startswith("×")
        assert focused(app) == "host"
        assert "some-token" not in "".join(question.said.text for question in app.questions)


async def test_a_wrong_token_and_a_foreign_market_stay_until_they_are_right(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    paths = Paths.under(tmp_path)
    app = FirstRun(paths)
    async with app.run_test(size=(100, 40)) as pilot:
        await answer(app, pilot, "host", sandbox.url)
        await answer(app, pilot, "agent", "")
        wrong = await answer(app, pilot, "token", "wrong-token")
        assert wrong.said.text.startswith("×")
        assert focused(app) == "token"
        right = await answer(app, pilot, "token", sandbox.token)
        assert "works" in right.said.text
        for typed, told in (
            ("fr-fr,en-us", "several regions"),
            ("en-us", "EUR, not in USD"),
            ("fr-xx", "no market"),
            ("", "at least one"),
        ):
            markets = await answer(app, pilot, "markets", typed)
            assert told in markets.said.text
            assert focused(app) == "markets"
            assert not paths.config_file.exists()
        await answer(app, pilot, "markets", ",".join(MARKETS))
        await until(lambda: all(isinstance(app._progress.get(name), PassResult) for name in ("orders", "listings")))
        await until(lambda: "done" in app._sync.text)
        assert "60 read" in app._sync.text
        assert "20 read" in app._sync.text
        await pilot.press("enter")
    profile = app.return_value
    assert profile is not None
    assert profile.base_url == sandbox.url
    assert profile.markets == MARKETS
    for file in (paths.config_file, paths.token_file("default")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sandbox.token not in paths.config_file.read_text(encoding="utf-8")
    assert profile.token is not None
    assert profile.token.get_secret_value() == sandbox.token


async def test_what_is_typed_while_the_token_is_tried_is_the_next_answer(
    sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, try_token = asyncio.Event(), beginning.try_token

    async def try_it_later(answers: Answers, paths: Paths) -> None:
        await let_go.wait()
        await try_token(answers, paths)

    monkeypatch.setattr(beginning, "try_token", try_it_later)
    app = FirstRun(Paths.under(tmp_path))
    async with app.run_test(size=(100, 40)) as pilot:
        await answer(app, pilot, "host", sandbox.url)
        await answer(app, pilot, "agent", "")
        app.questions[2].input.value = sandbox.token
        await pilot.press("enter")
        assert app._asking
        await pilot.press(*MARKETS[0].replace("-", "_"), "enter")
        assert app._asking
        let_go.set()
        await until(lambda: not app._asking, seconds=20.0)
        assert "works" in app.questions[2].said.text
        markets = app.questions[3]
        assert "no market" in markets.said.text
        assert focused(app) == "markets"
        assert markets.input.value == MARKETS[0].replace("-", "_")


async def test_leaving_writes_nothing(tmp_path: Path) -> None:
    app = FirstRun(Paths.under(tmp_path / "home"))
    async with app.run_test(size=(80, 24)) as pilot:
        await answer(app, pilot, "host", "")
        await pilot.press("escape")
    assert app.return_value is None
    assert not (tmp_path / "home").exists()


def test_markets_must_be_those_of_the_host() -> None:
    america = with_user_agent(with_host(Answers(), "www.backmarket.com"), "BM-Acme-Console;it@acme.example")
    assert with_markets(america, "en-us").markets == ("en-us",)
    with pytest.raises(SettingsError, match="a market of Europe"):
        with_markets(america, "fr-fr")
    with pytest.raises(SettingsError, match="Back Market asks for"):
        with_user_agent(america, "curl")
    with pytest.raises(SettingsError, match="is not"):
        with_user_agent(america, "")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
def test_the_program_without_settings_begins_with_it(tmp_path: Path) -> None:
    with terminal(tmp_path, {}, 80, 24) as console:
        console.wait(lambda text: "first run" in text and "What will happen to the data" in text)
        console.type("shop.example\r")
        console.wait(lambda text: "not a host of Back Market" in text)
        console.type("\x1b")
        assert console.ended() == 0
    assert not (tmp_path / "config").exists()
