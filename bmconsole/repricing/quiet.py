"""Keeps Python's garbage collector out of work that makes millions of objects and no cycles."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_guard = threading.Lock()
_working = 0


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch the collector off while facts and decisions are made in another thread.

    It would look through all of them again and again, and each look holds up the event loop for as long as it takes:
    half a second at 20,000 offers. In the end what was made counts as old at once, without the look that would find so.
    """
    global _working
    with _guard:
        was_on = gc.isenabled() or _working > 0
        _working += 1
        gc.disable()
    try:
        yield
    finally:
        with _guard:
            _working -= 1
            if was_on and _working == 0:
                gc.freeze()
                gc.unfreeze()
                gc.enable()
