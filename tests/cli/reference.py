"""The command reference of the README, from the commands themselves: `python -m tests.cli.reference --write`."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from bmconsole.cli.main import app

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- reference: made by python -m tests.cli.reference --write -->", "<!-- /reference -->"

_SHARED = ("--profile", "--json", "--read-only", "--help")
_WIDTH = 118
_INDENT = 30


def commands(group: click.Group, path: str, parent: click.Context | None = None) -> Iterator[tuple[str, click.Command]]:
    """Give every command by its whole name, depth first."""
    context = click.Context(group, info_name=path, parent=parent)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        whole = f"{path} {name}"
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield whole, command
        if isinstance(command, click.Group):
            yield from commands(command, whole, context)


def entry(whole: str, command: click.Command) -> str:
    """Return a command with its arguments and options, as the reference has it."""
    context = click.Context(command, info_name=whole)
    arguments = [
        part for part in command.collect_usage_pieces(context) if part not in ("[OPTIONS]", "COMMAND [ARGS]...")
    ]
    pieces = [part for part in arguments if not part.startswith("[COMMAND]")]
    lines = [" ".join([whole, *pieces])]
    lines += textwrap.wrap(
        " ".join((command.help or "").split()), _WIDTH, initial_indent="    ", subsequent_indent="    "
    )
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is None or any(name in _SHARED for name in parameter.opts):
            continue
        names, text = record
        head = f"    {names}"
        body = textwrap.wrap(" ".join(text.split()), _WIDTH - _INDENT) or [""]
        if len(head) >= _INDENT - 1:
            lines.append(head)
        else:
            body[0] = f"{head:<{_INDENT}}{body[0]}"
        first = len(head) < _INDENT - 1
        lines += [line if first and at == 0 else " " * _INDENT + line for at, line in enumerate(body)]
    return "\n".join(line.rstrip() for line in lines)


def reference() -> str:
    """Return what has to stand between the two marks."""
    entries = [entry(whole, command) for whole, command in commands(app, "bmconsole")]
    text = "\n\n".join(entries)
    return (
        f"{BEGIN}\n<details>\n<summary>Every command with its options</summary>\n\n```text\n{text}\n```\n\n"
        f"</details>\n{END}"
    )


def written(readme: str) -> str:
    """Return what stands between the marks of a README, with them; empty where they are not."""
    begin, end = readme.find(BEGIN), readme.find(END)
    return readme[begin : end + len(END)] if 0 <= begin < end else ""


if __name__ == "__main__":
    if "--write" in sys.argv:
        text = README.read_text(encoding="utf-8")
        assert written(text), f"the README has no {BEGIN}"
        README.write_text(text.replace(written(text), reference()), encoding="utf-8")
    else:
        print(reference())
