"""`bmconsole` and `python -m bmconsole`."""

import gc
import os
import sys

from bmconsole import __version__

_YOUNG = 20_000
"""How many new objects make Python look for garbage. At 700, its default, a start looks hundreds of times and finds
none: what is imported stays."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--version"]:
        # Scripts ask for the version often; it needs none of the imports below
        print(f"bmconsole {__version__}")
        return 0
    gc.set_threshold(_YOUNG)
    # Looking for plugins of other packages takes pydantic longer than most commands take for all they do
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from bmconsole.cli.main import run

    return run(given)


if __name__ == "__main__":
    sys.exit(main())
