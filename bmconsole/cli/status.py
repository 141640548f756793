"""`bmconsole status`: everything at a glance, and whether something is wrong."""

from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING

import click

from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import cell, jsonable, print_facts, print_json, print_table
from bmconsole.domain.health import faults
from bmconsole.domain.times import ago
from bmconsole.domain.views import WorkspaceStatus
from bmconsole.errors import BmError

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace

_UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command(cls=Command)
@click.pass_obj
def status(call: Call) -> int:
    """Show the state of everything: processes, timers, feeds, limits, writes, files.

    Asks Back Market nothing. Ends with 1 when something is wrong.
    """

    async def work(workspace: "Workspace") -> int:
        wrong: list[str] = []
        if workspace.profile.token is not None:
            try:
                await workspace.limits()
            except BmError as error:
                wrong.append(f"The limits cannot be read: {error.line()}")
        state = await workspace.status()
        wrong += faults(state)
        if call.json:
            shape = jsonable(state)
            assert isinstance(shape, dict)  # noqa: S101  # dataclasses become objects
            print_json(shape | {"faults": wrong})
        else:
            _print(state, wrong, workspace.zone)
        return 1 if wrong else 0

    return call.run(work, auth="optional")


def _print(state: WorkspaceStatus, wrong: list[str], zone: tzinfo) -> None:
    counted = ", ".join(f"{count} {name}" for name, count in state.statuses.items() if count)
    engine = f"{state.engine}: {state.engine_holder}" if state.engine_holder else state.engine
    sizes = ", ".join(f"{name} {_size(size)}" for name, size in state.sizes.items())
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
            "files": sizes + ("" if state.free_bytes is None else f"; {_size(state.free_bytes)} free"),
            "versions": ", ".join(f"{name} {number}" for name, number in state.versions.items()),
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
    if state.processes:
        _print_processes(state, zone)
    if state.traffic.rules:
        print_table(
            ("LIMIT", "USED", "OF", "SECONDS", "PAUSED"),
            [
                (
                    rule.name,
                    rule.used,
                    rule.working,
                    f"{rule.window:g}",
                    f"{rule.paused_for:.0f} s" if rule.paused_for else "",
                )
                for rule in state.traffic.rules
            ],
            right=("USED", "OF", "SECONDS"),
        )
    for sentence in wrong:
        print_facts({"!": sentence})


def _print_processes(state: WorkspaceStatus, zone: tzinfo) -> None:
    print_table(
        ("PROCESS", "PROFILE", "ENGINE", "SINCE", "HEARD", "WAITING", "DOING"),
        [
            (
                process.name,
                process.profile,
                process.engine,
                process.started,
                ago(state.server_now - timedelta(seconds=process.silent), state.server_now),
                sum(process.waiting.values()),
                ", ".join(process.doing),
            )
            for process in state.processes
        ],
        zone=zone,
        right=("WAITING",),
    )


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.0f} {_UNITS[-1]}"
