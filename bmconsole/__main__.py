"""`bmconsole` and `python -m bmconsole`."""

import sys

from bmconsole import __version__


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--version"]:
        # Scripts ask for the version often; it needs none of the imports below
        print(f"bmconsole {__version__}")
        return 0
    from bmconsole.cli.main import run

    return run(given)


if __name__ == "__main__":
    sys.exit(main())
