"""`bmconsole doctor`: what is wrong on this machine, and the way out of it."""

import asyncio
import os
import shutil
import sys

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json, print_table
from bmconsole.faults import watched


@click.command(cls=Command)
@click.pass_obj
def doctor(call: Call) -> int:
    """Look for what is wrong: settings, token, host, clock, files and their modes, disk, processes, terminal.

    Repairs nothing. Ends with 1 when it finds a fault.
    """
    from bmconsole.doctor import Level, Terminal, examine

    columns, rows = shutil.get_terminal_size()
    there = Terminal(
        is_terminal=sys.stdin.isatty() and sys.stdout.isatty(),
        encoding=getattr(sys.stdout, "encoding", None) or "ascii",
        columns=columns,
        rows=rows,
        environ=os.environ,
    )
    flags = {"access": "viewer"} if call.read_only else {}
    found = asyncio.run(watched(examine(call.profile_name, call.paths, there, overrides=flags)))
    faults = sum(finding.level is Level.FAULT for finding in found)
    if call.json:
        print_json({"faults": faults, "findings": found})
    else:
        print_table(("CHECK", "", "FOUND"), [(finding.check, finding.level, finding.message) for finding in found])
        for finding in found:
            if finding.hint and finding.level is not Level.OK:
                call.say(f"{finding.check}: {finding.hint}")
    return 1 if faults else 0
