"""One tree of errors, with a line for people in each, shown alike by the console and the commands.

Exit codes: 0 done · 1 failed · 2 usage · 3 not allowed · 4 unreachable or limited · 5 guard, conflict or missing
confirmation · 6 partly done · 130 interrupted.
"""

from collections.abc import Iterable
from typing import ClassVar


class BmError(Exception):
    """Something that a person can act on.

    Args:
        message: One line for people, without a token or buyer data; remote text in it is already cleaned.
        field: The setting, argument or API field at fault, where there is one.
        value: The offending value as text.
        hint: The way out.
        request_id: Back Market's `requestId`, which the seller quotes to support.
        cf_ray: The firewall's `cf-ray`, likewise.
    """

    code: ClassVar[str] = "failed"
    exit: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        value: str | None = None,
        hint: str | None = None,
        request_id: str | None = None,
        cf_ray: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.hint = hint
        self.request_id = request_id
        self.cf_ray = cf_ray

    def as_json(self) -> dict[str, dict[str, str | int | None]]:
        """Return the object that a command prints on stderr with `--json`."""
        return {
            "error": {
                "code": self.code,
                "exit": self.exit,
                "message": self.message,
                "field": self.field,
                "value": self.value,
                "hint": self.hint,
                "request_id": self.request_id,
                "cf_ray": self.cf_ray,
            }
        }

    def line(self) -> str:
        """Return the error as one line for people: message, what to do, and what support asks for."""
        message = self.message.rstrip()
        parts = [message if message.endswith((".", "!", "?", "…")) or not self.hint else f"{message}."]
        if self.hint:
            parts.append(self.hint)
        quotes = [f"requestId {self.request_id}"] if self.request_id else []
        quotes += [f"cf-ray {self.cf_ray}"] if self.cf_ray else []
        if quotes:
            parts.append(f"({', '.join(quotes)})")
        return " ".join(parts)


class NotFound(BmError):
    """What was asked for exists neither in the cache nor at Back Market."""

    code = "not-found"


class Refused(BmError):
    """Back Market understood the request and refused it (a 4xx with a reason)."""

    code = "refused"


class DiskTrouble(BmError):
    """The disk is full, a file cannot be written, or a database is damaged."""

    code = "disk"


class PortTaken(BmError):
    """The port that the sandbox should listen on is in use."""

    code = "port-taken"


class UsageError(BmError):
    """A wrong argument or value."""

    code = "usage"
    exit = 2


class SettingsError(UsageError):
    """A setting is missing, malformed or not allowed."""

    code = "settings"


class FilterError(UsageError):
    """A filter that cannot be read; `position` is the 0-based offset of the fault in the expression."""

    code = "filter"

    def __init__(self, message: str, *, position: int, value: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{message.rstrip('.')} (at character {position + 1}).", field="where", value=value, hint=hint)
        self.position = position


class NotAllowed(BmError):
    """Access is denied: a wrong token, a JSON 403, or more than the configured access grants."""

    code = "not-allowed"
    exit = 3


class Unauthorised(NotAllowed):
    """Back Market does not know the token (401)."""

    code = "unauthorised"


class Unreachable(BmError):
    """No usable answer: connection failed, timed out, or 5xx after retries.

    `sent` tells whether any byte of the request may have left, `maybe_applied` whether it was a write that Back Market
    may have carried out all the same.
    """

    code = "unreachable"
    exit = 4
    sent: bool = False
    maybe_applied: bool = False


class RateLimited(Unreachable):
    """429 although the request waited for its slots."""

    code = "rate-limited"


class FirewallBlocked(Unreachable):
    """The firewall in front of Back Market answered instead of the API."""

    code = "firewall"


class Guarded(BmError):
    """Stopped on purpose: a guard, a breaker or a missing confirmation."""

    code = "guard"
    exit = 5


class Conflict(Guarded):
    """The value at Back Market is neither what the operator saw nor what is wanted."""

    code = "conflict"


class Partial(BmError):
    """Some of the work was done, some was not."""

    code = "partial"
    exit = 6


_BY_WEIGHT = (3, 4, 5, 6, 1)


def combined_exit(codes: Iterable[int]) -> int:
    """Return the exit code of a command in which several outcomes apply: the first of 3, 4, 5, 6, 1, else 0."""
    seen = set(codes)
    return next((code for code in _BY_WEIGHT if code in seen), 2 if 2 in seen else 0)
