"""What SIGTERM and Ctrl-C do to a command: they end it in order."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process with 0 and in order, also while there is no event loop yet that could be told."""

    def leave(*_: object) -> None:
        raise SystemExit(0)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def stopped_by_signals() -> Iterator[asyncio.Event]:
    """Give an event that SIGTERM and SIGINT set instead of ending the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def told(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    former: dict[signal.Signals, Callable[..., object] | int | None] = {}
    for number in numbers:
        former[number] = signal.signal(number, told)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
