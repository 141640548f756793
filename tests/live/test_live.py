"""Against a real shop, reading only: `BMCONSOLE_TOKEN=… pytest -m live`, with the settings of a profile.

Nothing is asked of anybody without `-m live`, a token in the environment, and a host that is Back Market's. Take the
preprod first: BMCONSOLE_BASE_URL=https://preprod.backmarket.fr. `BMCONSOLE_LIVE_REPORT` names a file for the report.
"""

import os
from pathlib import Path

import pytest

from bmconsole.paths import Paths
from bmconsole.settings import load_profile
from tests.live.probe import Drift, probe

GIVEN = {name: value for name, value in os.environ.items() if name.startswith("BMCONSOLE_")}

pytestmark = pytest.mark.live


@pytest.fixture
async def drift(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drift:
    if "live" not in str(request.config.getoption("markexpr")):
        pytest.skip("asked for with -m live")
    if not GIVEN.get("BMCONSOLE_TOKEN"):
        pytest.skip("there is no BMCONSOLE_TOKEN")
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    profile = load_profile(overrides={"access": "viewer"}, auth="required")
    if profile.environment == "sandbox":
        pytest.skip("the host is this machine's")
    # The ledger of the account's own console, so that both together keep the limits
    seen = await probe(profile, Paths.default())
    tell(seen)
    return seen


def tell(seen: Drift) -> None:
    if report := GIVEN.get("BMCONSOLE_LIVE_REPORT"):
        Path(report).write_text(seen.as_text())
    else:
        print(seen.as_text())


async def test_a_real_shop_is_understood(drift: Drift) -> None:
    assert drift.orders.invalid == {}
    assert all(stream.invalid == {} for stream in drift.listings.values())
    assert drift.orders.count is not None
    assert drift.rate_limited == 0
    assert abs(drift.clock_off) < 60
