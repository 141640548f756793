"""What `bmconsole run --print-unit` and `--print-cron` print."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bmconsole.cli.unit import _quoted
from tests.cli.conftest import Run


def lines(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_starts_this_program_for_this_profile_and_may_write_our_folders_only(run: Run, empty: Path) -> None:
    told = run("run", "--print-unit")
    assert told.code == 0
    unit = lines(told.out)
    assert unit["ExecStart"][0].endswith("--profile default run")
    assert unit["Environment"] == [f"BMCONSOLE_HOME={empty}"]
    assert unit["ReadWritePaths"] == [str(empty / name) for name in ("config", "data", "state", "logs")]
    assert all((empty / name).stat().st_mode & 0o777 == 0o700 for name in ("config", "data", "state", "logs"))
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["NoNewPrivileges"] == ["yes"]
    assert "BMCONSOLE_TOKEN" not in told.out


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(run: Run, empty: Path, tmp_path: Path) -> None:
    file = tmp_path / "bmconsole-default.service"
    file.write_text(run("run", "--print-unit").out)
    told = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    if "Failed to" in told.stderr and "bus" in told.stderr:
        pytest.skip("systemd-analyze needs a system with systemd running")
    about_us = [line for line in told.stderr.splitlines() if file.name in line]
    assert about_us == []


def test_cron_lines_name_the_program_and_the_home(run: Run, empty: Path) -> None:
    told = run("run", "--print-cron")
    assert told.code == 0
    (start,) = [line for line in told.out.splitlines() if line.startswith("@reboot ")]
    assert f"BMCONSOLE_HOME={empty}" in start
    assert start.endswith("--profile default run 2>/dev/null")


@pytest.mark.parametrize(
    ("word", "written"),
    [("/opt/bm", "/opt/bm"), ("/opt/a b", '"/opt/a b"'), ("/50%/$x", "/50%%/$$x"), ('a"b', '"a\\"b"')],
)
def test_words_of_a_unit_are_quoted_where_they_need_it(word: str, written: str) -> None:
    assert _quoted(word) == written
