"""What an exchange that failed on its way means. Apart from the other failures, which do not need httpx to be told."""

import httpx
from pydantic import SecretStr

from bmconsole.backmarket.failures import NoAnswer, safe

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def from_transport(
    error: httpx.RequestError | TimeoutError, *, writes: bool, token: SecretStr | None = None
) -> NoAnswer:
    """Return what a failed exchange means; `writes` tells whether the request was to change something."""
    sent = not isinstance(error, _NEVER_SENT)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        message = "Back Market did not answer in time." if sent else "Back Market did not take the connection in time."
    elif sent:
        message = "The connection to Back Market broke before the answer was complete."
    else:
        message = "Back Market cannot be reached."
    reason = safe(str(error), token, 150)
    if reason:
        message = f"{message[:-1]} ({reason})."
    failure = NoAnswer(message, hint=None if sent else "Check the network and base_url.")
    failure.sent = sent
    failure.maybe_applied = sent and writes
    return failure
