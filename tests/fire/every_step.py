"""K2: a process is killed at every step of a write, under every answer that the shop can give."""

from shutil import rmtree

from bmconsole.sandbox.server import running_in_thread
from tests.fire.rows import Outcome, Row, Task
from tests.writes.crashes import VALUES, Homes, Shop, crashes, options, wrong_after


def run(task: Task) -> Outcome:
    """Carry out the first `count` cases; what they do is the same for every seed."""
    outcome = Outcome()
    kinds: dict[str, int] = {}
    with running_in_thread(options(2)) as sandbox:
        shop = Shop(sandbox)
        homes = Homes(shop, task.folder / "filled")
        try:
            for crash in crashes(*VALUES)[: task.count]:
                task.tell(f"{outcome.done} of {task.count}: {crash}")
                home = homes.copy(task.folder / "home")
                outcome.wrong += wrong_after(shop, home, crash)
                rmtree(home)
                outcome.done += 1
                kinds[crash.kind] = kinds.get(crash.kind, 0) + 1
        finally:
            shop.http.close()
    outcome.figures = {**kinds}
    return outcome


ROW = Row(
    id="K2",
    what="kill at every step of the write protocol × four answers",
    unit="kills",
    long=len(crashes(*VALUES)),
    short=0,
    passes="the final state is right, or shown as unknown where nothing can tell",
    run=run,
    short_version="tests/writes/test_crashes.py::test_a_crash_anywhere_ends_in_the_right_state",
)
