"""`bmconsole completion`: the script that a shell loads to complete commands and options."""

import sys

import click

from bmconsole.cli.frame import COMPLETE_VARIABLE, Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script of a shell.

    For instance: eval "$(bmconsole completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click has the three that the argument allows
    sys.stdout.write(kind(context.find_root().command, {}, "bmconsole", COMPLETE_VARIABLE).source() + "\n")
    return 0
