"""The short version of K6: writers in processes of their own on the three files."""

from pathlib import Path

from tests.fire.writers import Writers, prepare

TRANSACTIONS = 240


def test_four_processes_count_exactly(tmp_path: Path) -> None:
    prepare(tmp_path)
    writers = Writers(tmp_path, tmp_path, TRANSACTIONS, 0.0, 1)
    try:
        by_file, _, wrong = writers.end(60.0)
    finally:
        writers.kill()
    assert wrong == []
    assert sum(by_file.values()) == TRANSACTIONS
    assert all(by_file.values()), "each file had its share"
