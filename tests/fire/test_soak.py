"""The short version of the soak: what a process holds after many passes is what it held after a few."""

import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from bmconsole.paths import Paths
from bmconsole.profile import Profile
from bmconsole.sandbox import Options
from bmconsole.sandbox.server import running_in_thread
from bmconsole.workspace import Workspace
from tests.fire.soak import LARGEST_WAL

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")

_PASSES = 8


def _largest_log(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.rglob("*-wal")), default=0)


async def test_pass_after_pass_holds_no_more_files_and_a_bounded_log(tmp_path: Path) -> None:
    options = Options(seed=1, orders=300, listings=60, limits=False)
    with running_in_thread(options) as shop:
        profile = Profile.model_validate(
            {
                "name": "default",
                "base_url": shop.url,
                "token": SecretStr(shop.token),
                "token_source": "test",
                "markets": ("fr-fr",),
                "limits": {"edge": "100000/10"},
                "timezone": "UTC",
            }
        )
        held, logs = [], []
        async with await Workspace.open(profile, Paths.under(tmp_path)) as workspace:
            for _ in range(_PASSES):
                await workspace.sync()
                held.append(len(os.listdir("/proc/self/fd")))
                logs.append(_largest_log(tmp_path))
    assert max(held[_PASSES // 2 :]) <= max(held[: _PASSES // 2]) + 2, held
    assert max(logs) <= LARGEST_WAL, logs
