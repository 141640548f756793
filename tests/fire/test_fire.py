"""Each row of the table in its short version, where no other test is that version already."""

from pathlib import Path

import pytest

from tests.fire.rows import Row, carry_out, rows

ROWS = list(rows().values())
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("row", [row for row in ROWS if row.short], ids=lambda row: row.id)
def test_a_promise_under_fire(row: Row) -> None:
    done = carry_out(row, row.short, 1, lambda text: None)
    if done.skipped is not None:
        pytest.skip(done.skipped)
    assert not done.outcome.wrong


@pytest.mark.parametrize("row", [row for row in ROWS if not row.short], ids=lambda row: row.id)
def test_the_short_version_of_the_others_is_there(row: Row) -> None:
    path, _, name = row.short_version.partition("::")
    assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8")
