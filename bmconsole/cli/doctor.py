"""`bmconsole doctor`: what is wrong on this machine, and the way out of it."""

import asyncio

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import print_json, print_table


@click.command(cls=Command)
@click.pass_obj
def doctor(call: Call) -> int:
    """Look for what is wrong: files, versions, copies, quarantine, the audit, the clock.

    Repairs nothing. Ends with 1 when it finds a fault.
    """
    profile = call.profile("optional")
    from bmconsole.doctor import Level, examine

    found = asyncio.run(examine(profile, call.paths))
    faults = sum(finding.level is Level.FAULT for finding in found)
    if call.json:
        print_json({"faults": faults, "findings": found})
    else:
        print_table(("CHECK", "", "FOUND"), [(finding.check, finding.level, finding.message) for finding in found])
        for finding in found:
            if finding.hint and finding.level is not Level.OK:
                call.say(f"{finding.check}: {finding.hint}")
    return 1 if faults else 0
