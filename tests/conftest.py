"""What most tests need: a sandbox on a free port, and a profile that points at it."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pydantic import SecretStr

from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import Options, RunningSandbox, running
from bmconsole.workspace import Workspace

# Machines are noisy: how long an example takes says nothing about the code.
settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("noisy")

MARKETS = ("fr-fr", "de-de")
OFF = dict.fromkeys(("orders", "listings", "backbox", "repricing", "watch"), "off")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "live: asks a real shop, reading only; needs BMCONSOLE_TOKEN and -m live")


MakeProfile = Callable[..., Profile]


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's settings or token reach a test."""
    for name in [name for name in os.environ if name.startswith("BMCONSOLE_") and name != "BMCONSOLE_OPENAPI"]:
        monkeypatch.delenv(name)
    # Where the extra is installed: not the keyring of who runs the tests.
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    """A small shop in the test's own event loop, with its true limits."""
    async with running(Options(seed=7, orders=130, listings=70, markets=MARKETS, backbox_settle=(0.0, 0.0))) as shop:
        yield shop


def profile_for(sandbox: RunningSandbox, **changes: object) -> Profile:
    """Return a profile for a running sandbox, its timers off."""
    values: dict[str, object] = {
        "name": "default",
        "base_url": sandbox.url,
        "token": SecretStr(sandbox.token),
        "token_source": "test",
        "markets": MARKETS,
        "schedule": OFF,
        "timezone": "UTC",
    }
    return Profile.model_validate(values | changes)


@pytest.fixture
async def workspace(sandbox: RunningSandbox, tmp_path: Path) -> AsyncIterator[Workspace]:
    """A workspace on real files, over the sandbox."""
    async with await Workspace.open(profile_for(sandbox), Paths.under(tmp_path)) as opened:
        yield opened
