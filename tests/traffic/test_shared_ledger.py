"""The ledger file: restarts, deaths, damage, clocks. Whatever happens to it, no window is overrun."""

import asyncio
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bmconsole.domain.priority import Priority
from bmconsole.store.sqlite import sqlite3
from bmconsole.traffic import LedgerUnusable, Notice, Rule, TrafficController, lives, open_traffic
from bmconsole.traffic.book import GRACE
from bmconsole.traffic.clock import SystemClock, same_boot
from bmconsole.traffic.ledger_file import open_file
from bmconsole.traffic.sqlite_ledger import SqliteLedger
from tests.traffic.world import EDGE, World

RULES = (Rule("edge", 10, 10.0), Rule("care_day", 20, 86400.0), Rule("sku_lines", 100, 3600.0))
CARE = (("edge", 1), ("care_day", 1))
NAME = "ledger-test.db"


def die(ledger: SqliteLedger) -> None:
    """End as a killed process does: nothing is said, the system drops its locks."""
    ledger._closed = True
    ledger._cancel_flush()
    ledger._database.die()


async def fill(world: World, controller: TrafficController, count: int = 10) -> None:
    await asyncio.gather(*(world.request(controller, Priority.CRITICAL) for _ in range(count)))


def used(controller: TrafficController, rule: str = "edge") -> int:
    return controller.snapshot().rule(rule).used


async def waited(world: World, controller: TrafficController) -> float:
    """Send one more and return how long it had to wait."""
    await world.request(controller, Priority.CRITICAL)
    return world.waits[Priority.CRITICAL][-1]


def test_a_restart_inside_the_window_counts_what_was_sent(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        for _ in range(4):
            controller = world.controller(world.shared(tmp_path))
            await fill(world, controller)
            await controller.aclose()
        last = world.controller(world.shared(tmp_path))
        assert used(last) == 10
        assert await waited(world, last) == pytest.approx(10, abs=0.01)
        await last.aclose()

    world.run(scenario)


def test_what_a_dead_process_had_in_flight_counts_until_after_the_grace(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        ledger = world.shared(tmp_path)
        doomed = world.controller(ledger)
        for _ in range(10):
            await doomed.acquire(EDGE, Priority.CRITICAL)
        die(ledger)
        # Its bytes arrive as late as the grace allows.
        world.loop.call_later(GRACE - 0.01, lambda: world.oracle.arrive([("edge", 10)], world.loop.time()))
        heir = world.controller(world.shared(tmp_path))
        began = world.loop.time()
        await fill(world, heir)
        assert world.loop.time() - began == pytest.approx(GRACE + 10, abs=0.1)
        await heir.aclose()

    world.run(scenario)


def test_a_process_that_dies_beside_others_is_noticed_by_them(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        survivor = world.controller(world.shared(tmp_path))
        ledger = world.shared(tmp_path)
        doomed = world.controller(ledger)
        for _ in range(4):
            await doomed.acquire(EDGE, Priority.CRITICAL)
        await asyncio.sleep(60)
        assert used(survivor) == 4  # alive: it may still send
        die(ledger)
        await world.request(survivor, Priority.HIGH)
        assert survivor.snapshot().rule("edge").in_flight == 0
        await asyncio.sleep(GRACE + 10.1)
        assert used(survivor) == 0
        assert not lives.lives(tmp_path / "ledger-test.lives", ledger._database.process)
        await survivor.aclose()

    world.run(scenario)


def test_an_answer_that_could_not_be_noted_before_the_death_counts_on(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        ledger = world.shared(tmp_path)
        doomed = world.controller(ledger)
        await fill(world, doomed)
        assert ledger._pending  # the last answers are noted 50 ms later
        die(ledger)
        heir = world.controller(world.shared(tmp_path))
        assert used(heir) == 10
        await heir.aclose()

    world.run(scenario)


def test_a_clean_end_leaves_no_trace_but_the_counts(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path))
        slot = await controller.acquire(EDGE, Priority.HIGH)
        await controller.aclose()
        slot.answered()  # too late, and harmless
        heir = world.controller(world.shared(tmp_path))
        assert used(heir) == 1
        assert heir.snapshot().rule("edge").in_flight == 0
        await heir.aclose()

    world.run(scenario)
    assert not list((tmp_path / "ledger-test.lives").glob("life.*"))


def test_files_are_private(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        folder = tmp_path / "state"
        controller = world.controller(world.shared(folder))
        await fill(world, controller, 1)
        assert stat.S_IMODE(os.stat(folder / NAME).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(folder / "ledger-test.lives").st_mode) == 0o700
        await controller.aclose()

    world.run(scenario)


def wreck(what: str) -> Callable[[Path], None]:
    def zero(path: Path) -> None:
        path.write_bytes(b"\0" * path.stat().st_size)

    def truncate(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:5000])

    def noise(path: Path) -> None:
        path.write_bytes(os.urandom(path.stat().st_size))

    def body(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))

    def delete(path: Path) -> None:
        path.unlink()

    def counts(path: Path) -> None:
        with_tables(path, "UPDATE rule SET flying = flying + 3, costs = x'00'")

    def other_tables(path: Path) -> None:
        with_tables(path, "DROP TABLE rule")

    return {
        "zeros": zero,
        "truncated": truncate,
        "noise": noise,
        "noise behind the header": body,
        "deleted": delete,
        "counts that disagree": counts,
        "no tables": other_tables,
    }[what]


def with_tables(path: Path, statement: str) -> None:
    connection = open_file(path)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "what",
    ["zeros", "truncated", "noise", "noise behind the header", "deleted", "counts that disagree", "no tables"],
)
def test_a_ledger_that_cannot_be_read_counts_as_full(what: str, tmp_path: Path) -> None:
    """After a crash, so that the dead process's lock file tells of a ledger that was."""
    world = World(RULES)

    async def scenario() -> None:
        ledger = world.shared(tmp_path)
        first = world.controller(ledger)
        await fill(world, first, 9)
        ledger.flush()
        die(ledger)
        wreck(what)(tmp_path / NAME)
        second = world.controller(world.shared(tmp_path))
        assert used(second) >= 10
        assert 9.9 <= await waited(world, second) <= 10 + GRACE + 0.1
        await second.aclose()

    world.run(scenario)


@pytest.mark.parametrize("what", ["zeros", "noise", "deleted"])
def test_a_ledger_that_is_damaged_in_use_counts_as_full_for_all(what: str, tmp_path: Path) -> None:
    world = World(RULES)
    heard: list[Notice] = []

    async def scenario() -> None:
        first, second = (world.controller(world.shared(tmp_path)) for _ in range(2))
        first.subscribe(heard.append)
        second.subscribe(heard.append)
        await fill(world, first, 6)
        slow = await second.acquire(EDGE, Priority.CRITICAL)
        for ending in ("-wal", "-shm"):
            os.unlink(f"{tmp_path / NAME}{ending}")
        wreck(what)(tmp_path / NAME)
        began = world.loop.time()
        await asyncio.gather(fill(world, first, 10), fill(world, second, 10))
        assert world.loop.time() - began >= 20
        world.oracle.arrive(EDGE, slow.granted_at)
        slow.answered()
        assert used(first) == used(second)
        await first.aclose()
        await second.aclose()

    world.run(scenario)


def test_hour_and_day_rules_are_rebuilt_from_the_journal(tmp_path: Path) -> None:
    world = World(RULES)
    journal: dict[str, list[tuple[float, int]]] = {
        "sku_lines": [(world.clock.utc() - 1800, 60), (world.clock.utc() - 60, 30)]
    }

    def past(rule: str, since: float) -> list[tuple[float, int]]:
        return [(at, cost) for at, cost in journal.get(rule, []) if at >= since]

    async def scenario() -> None:
        (tmp_path / NAME).write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
        ledger = SqliteLedger(tmp_path / NAME, RULES, clock=world.clock, past=past)
        controller = world.controller(ledger)
        assert used(controller, "sku_lines") == 90
        assert used(controller, "care_day") == 0
        assert used(controller, "edge") == 10
        await asyncio.sleep(1810)
        assert used(controller, "sku_lines") == 90  # the last of them may have been on its way for a minute
        await asyncio.sleep(60)
        assert used(controller, "sku_lines") == 30
        await controller.aclose()

    world.run(scenario)
    assert list(tmp_path.glob(f"{NAME}.damaged-*"))


def test_a_first_start_asks_the_journal_for_hour_and_day_rules(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        sent = [(world.clock.utc() - 60, 30)]
        past = SqliteLedger(
            tmp_path / NAME, RULES, clock=world.clock, past=lambda rule, since: sent if rule == "sku_lines" else []
        )
        controller = world.controller(past)
        assert used(controller, "sku_lines") == 30
        assert used(controller, "edge") == 0
        await controller.aclose()

    world.run(scenario)


@pytest.mark.parametrize(
    ("stored", "current", "same"),
    [
        ("6f1c", "6f1c", True),
        ("6f1c", "70aa", False),
        ("started-1000", "started-1059", True),
        ("started-1000", "started-1061", False),
        ("started-1000", "6f1c", False),
    ],
)
def test_a_boot_is_told_by_its_identity_or_its_start(stored: str, current: str, same: bool) -> None:
    assert same_boot(stored, current) is same


def test_the_systems_clocks_go_forward_and_name_their_boot() -> None:
    clock = SystemClock()
    first = clock.now()
    assert clock.now() >= first
    assert abs(clock.utc() - time.time()) < 5
    assert same_boot(clock.boot_id, SystemClock().boot_id)


def test_a_first_start_does_not_wait(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path / "new"))
        assert await waited(world, controller) < 0.01
        await controller.aclose()

    world.run(scenario)


def test_another_boot_fills_short_rules_and_carries_long_ones_over(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        ledger = world.shared(tmp_path)
        controller = world.controller(ledger)
        for _ in range(5):
            await world.request(controller, Priority.CRITICAL, CARE)
        ledger.flush()
        die(ledger)
        # The machine was down for an hour; the new boot's clock starts again near zero.
        world.clock.boot_id = "boot-2"
        world.clock.offset = -world.loop.time() + 20
        world.clock.wall += 3600
        heir = world.controller(world.shared(tmp_path))
        assert used(heir, "care_day") == 5
        assert used(heir) == 10
        assert await waited(world, heir) == pytest.approx(10, abs=0.1)
        await asyncio.sleep(86400 - 3600 - 20)
        assert used(heir, "care_day") == 5
        await asyncio.sleep(30)
        assert used(heir, "care_day") == 0
        await heir.aclose()

    world.run(scenario)


@pytest.mark.parametrize("jump", [-100_000.0, 100_000.0])
def test_the_wall_clock_may_jump_under_a_running_program(jump: float, tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path))
        for _ in range(5):
            await world.request(controller, Priority.CRITICAL, CARE)
        world.clock.wall += jump
        await fill(world, controller, 20)
        assert used(controller, "care_day") == 5
        await controller.aclose()
        heir = world.controller(world.shared(tmp_path))
        assert used(heir, "care_day") == 5
        await heir.aclose()

    world.run(scenario)


def test_a_boot_clock_that_went_back_counts_as_another_boot(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path))
        await fill(world, controller, 3)
        await controller.aclose()
        world.clock.offset = -900
        heir = world.controller(world.shared(tmp_path))
        assert used(heir) == 10
        assert await waited(world, heir) == pytest.approx(10, abs=0.1)
        await heir.aclose()

    world.run(scenario)


def test_a_newer_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        world.shared(tmp_path).close()
        with_tables(tmp_path / NAME, "UPDATE meta SET version = 99")
        with pytest.raises(LedgerUnusable, match="newer"):
            world.shared(tmp_path)

    world.run(scenario)
    assert not list(tmp_path.glob("*.damaged-*"))
    assert not list((tmp_path / "ledger-test.lives").glob("life.*"))


def test_changed_limits_keep_what_was_sent(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path))
        await fill(world, controller, 8)
        await controller.aclose()
        narrower = (Rule("edge", 8, 20.0), *RULES[1:])
        world.oracle.limits["edge"] = (10, 20.0)
        heir = TrafficController(narrower, SqliteLedger(tmp_path / NAME, narrower, clock=world.clock))
        assert heir.snapshot().rule("edge").limit == 8
        assert await waited(world, heir) == pytest.approx(20, abs=0.1)
        await heir.aclose()

    world.run(scenario)


def test_a_held_lock_blocks_nothing_but_grants_and_is_said_with_its_holder(tmp_path: Path) -> None:
    world = World(RULES)
    heard: list[Notice] = []

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path))
        controller.subscribe(heard.append)
        other = open_file(tmp_path / NAME)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(world.request(controller, Priority.HIGH))
        await asyncio.sleep(3)
        assert not waiting.done()
        other.execute("ROLLBACK")
        other.close()
        await waiting
        await controller.aclose()

    world.run(scenario)
    assert [notice.kind for notice in heard] == ["held"]
    assert "ledger of requests is held" in heard[0].message


def test_an_answer_that_meets_a_held_lock_is_noted_later_at_its_own_time(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        controller = world.controller(world.shared(tmp_path))
        slot = await controller.acquire(EDGE, Priority.HIGH)
        other = open_file(tmp_path / NAME)
        other.execute("BEGIN IMMEDIATE")
        slot.answered()
        answered_at = world.loop.time()
        await asyncio.sleep(5)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.sleep(0.2)
        assert controller.snapshot().rule("edge").in_flight == 0
        await asyncio.sleep(answered_at + 10.01 - world.loop.time())
        assert used(controller) == 0
        await controller.aclose()

    world.run(scenario)


def test_a_process_without_its_lock_file_is_taken_for_dead_and_stays_safe(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        first, second = (world.controller(world.shared(tmp_path)) for _ in range(2))
        slots = [await first.acquire(EDGE, Priority.CRITICAL) for _ in range(4)]
        for path in os.listdir(tmp_path / "ledger-test.lives"):
            os.unlink(tmp_path / "ledger-test.lives" / path)
        await asyncio.sleep(2)
        await world.request(second, Priority.CRITICAL)
        assert second.snapshot().rule("edge").in_flight == 0  # buried, held for the grace and a window
        for slot in slots:
            world.oracle.arrive(EDGE, world.loop.time())
            slot.answered()
        await fill(world, first, 12)
        assert used(first) <= 10
        await first.aclose()
        await second.aclose()

    world.run(scenario)


def test_a_full_disk_stops_grants_says_so_once_and_is_got_over(tmp_path: Path) -> None:
    world = World(RULES)
    heard: list[Notice] = []

    async def scenario() -> None:
        ledger = world.shared(tmp_path)
        controller = world.controller(ledger)
        controller.subscribe(heard.append)
        slot = await controller.acquire(EDGE, Priority.HIGH)
        ledger._connection.execute("CREATE TRIGGER full BEFORE INSERT ON flight BEGIN SELECT RAISE(ABORT, 'full'); END")
        waiting = asyncio.create_task(world.request(controller, Priority.HIGH))
        await asyncio.sleep(5)
        assert not waiting.done()
        ledger._connection.execute("DROP TRIGGER full")
        await waiting
        slot.answered()
        await controller.aclose()

    world.run(scenario)
    assert [notice.kind for notice in heard] == ["damaged"]
    assert "cannot be written" in heard[0].message


def test_damage_is_noticed_though_nothing_is_pending(tmp_path: Path) -> None:
    world = World(RULES)

    async def scenario() -> None:
        ledger = world.shared(tmp_path)
        controller = world.controller(ledger)
        await fill(world, controller, 10)
        ledger.flush()
        ledger._database.give_up_file()
        assert used(controller) >= 10
        await fill(world, controller, 10)
        assert max(world.waits[Priority.CRITICAL]) >= 10
        await controller.aclose()

    world.run(scenario)


async def test_opening_gives_a_controller_over_the_named_file(tmp_path: Path) -> None:
    first = await open_traffic({"edge": "50/10"}, folder=tmp_path, key="abc", program="bmconsole run")
    second = await open_traffic({"edge": "50/10"}, folder=tmp_path, key="abc", console_attached=True)
    alone = await open_traffic({"edge": "50/10"}, folder=tmp_path, key="other")
    async with first.slot(EDGE, Priority.HIGH):
        assert used(second) == 1
    assert used(alone) == 0
    assert first.snapshot().rule("edge").limit == 50
    for controller in (first, second, alone):
        await controller.aclose()
    assert {name for name in os.listdir(tmp_path) if name.endswith(".db")} == {"ledger-abc.db", "ledger-other.db"}


async def test_opening_where_nothing_can_be_written_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "ledger-abc.db").mkdir()
    with pytest.raises(LedgerUnusable):
        await open_traffic(folder=tmp_path, key="abc")


async def test_without_a_folder_the_ledger_is_the_processs_own() -> None:
    controller = await open_traffic()
    async with controller.slot(EDGE, Priority.NORMAL):
        pass
    assert used(controller) == 1
    await controller.aclose()


def test_the_library_says_busy_as_the_ledger_expects(tmp_path: Path) -> None:
    first, second = open_file(tmp_path / "x.db"), open_file(tmp_path / "x.db")
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.execute("BEGIN IMMEDIATE")
    first.close()
    second.close()
