"""What can go wrong before a request is sent."""

from bmconsole.errors import BmError, DiskTrouble


class DeadlineExpired(BmError):
    """The request was given up before it was sent: no slot came before its deadline."""

    code = "deadline"
    exit = 4


class CostTooLarge(BmError):
    """The request costs more than one of its rules ever grants at once (say 2,500 SKU lines of 2,000 an hour)."""

    code = "too-large"
    exit = 2


class TrafficClosed(BmError):
    """The controller was closed while the request waited for its slot."""

    code = "closed"
    exit = 4


class LedgerUnusable(DiskTrouble):
    """The shared ledger was written by a newer version, or is damaged while another program still uses it."""

    code = "ledger"
