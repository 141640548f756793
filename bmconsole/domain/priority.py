"""Who goes first when requests wait."""

from enum import IntEnum


class Priority(IntEnum):
    """The four classes of a request; a smaller number goes first."""

    CRITICAL = 0
    """The operator restores a price, stops a run or sets stock to 0."""
    HIGH = 1
    """An operator waits for the answer."""
    NORMAL = 2
    """Scheduled synchronisation."""
    LOW = 3
    """Backfill and backbox sweeps."""
