"""`bmconsole reprice`: what repricing would do and why; apply it, approve what waits, stop it, look back at it."""

from typing import TYPE_CHECKING

import click

from bmconsole.cli import repricing_looks
from bmconsole.cli.carry import ProgressLine, accepting
from bmconsole.cli.decisions import confirm_decisions, finish, print_decisions
from bmconsole.cli.frame import Call, Command, Group
from bmconsole.cli.output import print_json, print_table
from bmconsole.cli.replay import replay
from bmconsole.domain.times import ago
from bmconsole.errors import UsageError

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.group(cls=Group, invoke_without_command=True)
@click.option("--apply", "apply_", is_flag=True, help="Write what is decided; each is decided again right before.")
@accepting
@click.pass_context
def reprice(context: click.Context, apply_: bool, yes: bool, confirmed: int | None) -> int:
    """Say what repricing would do, and why; with --apply, do it.

    From what was last observed. A dry run writes nothing. --apply writes in every mode but off: each listing is
    observed again and decided again by the same rules, and written only if every guard still passes.
    """
    if context.invoked_subcommand is not None:
        if apply_ or yes or confirmed is not None:
            raise UsageError("--apply, --yes and --confirm go without a command behind them.", field="apply")
        return 0
    call = context.ensure_object(Call)
    if (yes or confirmed is not None) and not apply_:
        raise UsageError("--yes and --confirm go with --apply.", field="yes" if yes else "confirm")
    return _apply(call, yes, confirmed) if apply_ else _plan(call)


def _plan(call: Call) -> int:
    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_repricing()
        if not plan.decisions:
            call.say("Nothing is online. “bmconsole sync listings backbox” observes.")
            return 0
        print_decisions(call, plan.decisions)
        told = ", ".join(f"{count} {name}" for name, count in sorted(plan.counts.items()))
        call.say(f"{len(plan.decisions)} decisions: {told}. Nothing was written.")
        if plan.breaker is not None:
            call.say(f"run-breaker: {plan.breaker}; an automatic run would wait for approval.")
        return 0

    return call.run(work, auth="skip")


def _apply(call: Call, yes: bool, confirmed: int | None) -> int:
    async def work(workspace: "Workspace") -> int:
        plan = await workspace.plan_repricing(approved=True)
        chosen = [row for row in plan.decisions if row.decision.decision == "write"]
        if not chosen and plan.breaker is None:
            call.say("There is nothing to change.")
            return 0
        if plan.breaker is None and workspace.profile.access != "viewer":
            confirm_decisions(call, chosen, yes=yes, confirmed=confirmed)
        line = ProgressLine(call)
        try:
            result = await workspace.apply_repricing(plan, show=line.show)
        finally:
            line.end()
        return finish(call, result)

    return call.run(work)


@reprice.command("approve", cls=Command)
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that waits.")
@click.option("--run", metavar="RUN", help="Everything that waits of one run.")
@accepting
@click.pass_obj
def approve(
    call: Call, ids: tuple[int, ...], everything: bool, run: str | None, yes: bool, confirmed: int | None
) -> int:
    """Write decisions that wait; without IDs, --all or --run, list them.

    Each is observed again and decided again first, and written only if every guard still passes.
    """
    if sum((bool(ids), everything, run is not None)) > 1:
        raise UsageError("Give IDs, --all or --run, one of them.", field="id")

    async def listed(workspace: "Workspace") -> int:
        rows = await workspace.waiting_rows()
        if rows:
            print_decisions(call, rows)
            call.say(f"{len(rows)} wait. “bmconsole reprice approve ID…”, --run or --all writes them.")
        else:
            call.say("Nothing waits for approval.")
        return 0

    async def work(workspace: "Workspace") -> int:
        rows = await workspace.waiting_rows(list(ids) or None, run=run)
        allowed = workspace.profile.access != "viewer"  # who may not is told so below, whether something waits or not
        if not rows and allowed:
            call.say("Nothing waits for approval.")
            return 0
        if allowed:
            confirm_decisions(call, rows, yes=yes, confirmed=confirmed)
        line = ProgressLine(call)
        try:
            result = await workspace.approve([row.id for row in rows], show=line.show)
        finally:
            line.end()
        return finish(call, result)

    return call.run(work) if ids or everything or run is not None else call.run(listed, auth="skip")


@reprice.command("pause", cls=Command)
@click.option("--market", metavar="CODE", help="Only this market.")
@click.option("--listing", metavar="REF", help="Only this listing.")
@click.option("--why", metavar="TEXT", help="To be told with it.")
@click.pass_obj
def pause(call: Call, market: str | None, listing: str | None, why: str | None) -> int:
    """Stop repricing at once, in every process of the profile: all of it, a market or a listing."""

    async def work(workspace: "Workspace") -> int:
        new = await workspace.pause(market=market, listing=listing, why=why)
        if call.json:
            print_json({"paused": True, "new": new, "market": market, "listing": listing})
        call.say("Paused." if new else "It was paused already.")
        return 0

    return call.run(work, auth="skip")


@reprice.command("resume", cls=Command)
@click.option("--market", metavar="CODE", help="This market.")
@click.option("--listing", metavar="REF", help="This listing.")
@click.pass_obj
def resume(call: Call, market: str | None, listing: str | None) -> int:
    """End a pause; narrower ones stay. It takes the access admin."""

    async def work(workspace: "Workspace") -> int:
        ended = await workspace.resume(market=market, listing=listing)
        left = await workspace.pauses()
        if call.json:
            print_json({"resumed": ended, "pauses": left})
        call.say("Resumed." if ended else "There was no such pause.")
        for each in left:
            place = " ".join(part for part in (each.sku, each.market) if part) or "all of repricing"
            call.say(f"Still paused: {place}, since {ago(each.since, workspace.now())}.")
        return 0

    return call.run(work, auth="skip")


@reprice.command("mode", cls=Command)
@click.argument("refs", metavar="REF...", nargs=-1)
@click.option("--set", "mode", metavar="MODE", help="off, observe, suggest or auto.")
@click.option("--clear", is_flag=True, help="Back to the mode of the rule, or of the profile.")
@click.pass_obj
def mode(call: Call, refs: tuple[str, ...], mode: str | None, clear: bool) -> int:
    """Give listings a mode of their own, or list those that have one. To change them takes the access admin."""
    if (mode is not None or clear) and (not refs or (mode is not None and clear)):
        raise UsageError("Name the listings, and --set or --clear.", field="mode")
    if refs and mode is None and not clear:
        raise UsageError("Say --set MODE or --clear.", field="mode")

    async def work(workspace: "Workspace") -> int:
        if refs:
            count = await workspace.give_mode(refs, mode)
            call.say(f"{count} listings have {'their own mode no longer' if mode is None else f'the mode {mode}'}.")
            return 0
        modes = await workspace.own_modes()
        skus = {listing.id: listing.sku async for listing in workspace.listings(list(modes))}
        rows = [{"listing": ref, "sku": skus.get(ref), "mode": own} for ref, own in modes.items()]
        if call.json:
            for row in rows:
                print_json(row)
        elif rows:
            print_table(("SKU", "LISTING", "MODE"), [(row["sku"], row["listing"], row["mode"]) for row in rows])
        else:
            call.say(f"No listing has a mode of its own; the profile's is {workspace.profile.repricing_mode}.")
        return 0

    return call.run(work, auth="skip")


@reprice.command("show", cls=Command)
@click.argument("ref", metavar="ID|REF")
@click.option("--market", metavar="CODE", help="Where a listing is named.  [default: the main one]")
@click.pass_obj
def show(call: Call, ref: str, market: str | None) -> int:
    """Explain one decision with everything that it was made from: by its ID, or the one that holds for a listing."""

    async def work(workspace: "Workspace") -> int:
        named = ref.isdecimal() and len(ref) < 19 and await workspace.has_decision(int(ref))
        view = await workspace.decision(int(ref)) if named else await workspace.decision_of(ref, market)
        repricing_looks.print_decision(call, view, workspace.zone)
        return 0

    return call.run(work, auth="skip")


for _command in (repricing_looks.rules, repricing_looks.runs, replay):
    reprice.add_command(_command)
