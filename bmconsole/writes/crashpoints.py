"""Named steps of carrying out an intent, at which a test can have the process die as if it lost its power."""

import os
import signal

STEPS = (
    "before-plan-commit",
    "after-plan-commit",
    "before-read",
    "after-read",
    "after-read-noted",
    "before-sent-commit",
    "after-sent-commit",
    "before-send",
    "after-answer",
    "after-answer-noted",
    "before-readback",
    "after-readback",
    "before-end-commit",
    "after-end-commit",
    "after-release",
)
"""The steps in the order in which a write that goes well passes them."""

VARIABLE = "BMCONSOLE_CRASH_AT"


def reached(step: str) -> None:
    """End this process here, without any cleaning up, if the environment names `step`; else nothing."""
    if os.environ.get(VARIABLE) == step:
        os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
