"""`bmconsole status`: everything at a glance, and whether something is wrong."""

from datetime import tzinfo
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import cell, jsonable, print_facts, print_json, print_table
from bmconsole.domain.times import ago
from bmconsole.domain.views import WorkspaceStatus

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.command(cls=Command)
@click.pass_obj
def status(call: Call) -> int:
    """Show the state of everything.

    Ends with 1 when something is wrong.
    """

    async def work(workspace: "Workspace") -> int:
        state = await workspace.status()
        wrong = faults(state)
        if call.json:
            shape = jsonable(state)
            assert isinstance(shape, dict)  # noqa: S101  # dataclasses become objects
            print_json(shape | {"faults": wrong})
        else:
            _print(state, wrong, workspace.zone)
        return 1 if wrong else 0

    return call.run(work, auth="optional")


def faults(state: WorkspaceStatus) -> list[str]:
    """Return what is wrong, one sentence each."""
    return [f"The last run of {job.name} failed: {job.last_error}" for job in state.jobs if job.last_error]


def _print(state: WorkspaceStatus, wrong: list[str], zone: tzinfo) -> None:
    counted = ", ".join(f"{count} {name}" for name, count in state.statuses.items() if count)
    engine = f"{state.engine}: {state.engine_holder}" if state.engine_holder else state.engine
    print_facts(
        {
            "profile": f"{state.profile} ({state.access})",
            "host": f"{state.host} ({state.environment})",
            "markets": state.markets,
            "engine": engine,
            "orders": f"{state.orders}{f' ({counted})' if counted else ''}",
            "late": state.late,
            "listings": state.listings,
            "unfinished writes": state.unfinished_writes,
            "audit head": state.audit_head[:16],
            "in quarantine": state.quarantined,
            "last clean pull": ", ".join(
                f"{name} {ago(at, state.server_now)}{' ago' if at else ''}" for name, at in state.feeds.items()
            ),
        },
        zone=zone,
    )
    print_table(
        ("JOB", "EVERY", "LAST", "NEXT", "RESULT"),
        [
            (
                job.name,
                "off" if job.interval is None else f"{job.interval:g} s",
                job.last_run,
                job.next_run,
                cell(job.last_error or job.last_result),
            )
            for job in state.jobs
        ],
        zone=zone,
        right=("EVERY",),
    )
    for sentence in wrong:
        print_facts({"!": sentence})
