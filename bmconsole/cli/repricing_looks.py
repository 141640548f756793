"""`bmconsole reprice rules|runs`: which rule is for what, what runs did, and one decision explained."""

from collections.abc import Mapping
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING

import click

from bmconsole.cli.decisions import decision_json
from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import jsonable, print_facts, print_json, print_table
from bmconsole.domain.pricing_views import DecisionView, OutcomeRow

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.command("rules", cls=Command)
@click.option("--check", is_flag=True, help="Only say whether the file can be used.")
@click.option("--listings", "each", is_flag=True, help="A line for each listing and market.")
@click.option("--run", metavar="RUN", help="Print the text of the rules that a run went by.")
@click.pass_obj
def rules(call: Call, check: bool, each: bool, run: str | None) -> int:
    """Show the rules of rules.toml, and which listings fall under each."""

    async def work(workspace: "Workspace") -> int:
        if run is not None:
            text = await workspace.run_rules(run)
            if call.json:
                print_json({"run": run, "rules": text})
            else:
                click.echo(text, nl=False)
                call.say("" if text else "Those were the built-in rules.")
            return 0
        found = await workspace.rules()
        if check:
            if call.json:
                print_json({"file": found.name, "rules": len(found.rules)})
            call.say(f"{found.name}: {len(found.rules)} rules, all of it can be used.")
            return 0
        if each:
            uses = await workspace.rule_uses()
            if call.json:
                for use in uses:
                    print_json(jsonable(use))
            else:
                print_table(
                    ("SKU", "MARKET", "RULE", "MODE", "STRATEGIES"),
                    [(use.sku, use.market, use.rule, use.mode, use.strategies) for use in uses],
                )
            return 0
        rows = await workspace.rule_rows()
        if call.json:
            for row in rows:
                print_json(jsonable(row))
        else:
            call.say(f"Rules: {found.name}.")
            print_table(
                ("RULE", "LINE", "MODE", "STRATEGIES", "OFFERS", "SUCH AS"),
                [(row.name or "(no rule)", row.line, row.mode, row.strategies, row.offers, row.skus) for row in rows],
                right=("LINE", "OFFERS"),
            )
        return 0

    return call.run(work, auth="skip")


@click.command("runs", cls=Command)
@click.option("--limit", default=50, type=click.IntRange(min=0), help="How many (0: all).  [default: 50]")
@click.option("--after", type=int, metavar="ID", help="Only those behind this one, newest first.")
@click.option("--scoreboard", is_flag=True, help="What the changes came to, by rule.")
@click.option("--days", default=30, type=click.IntRange(min=1), help="For the scoreboard.  [default: 30]")
@click.pass_obj
def runs(call: Call, limit: int, after: int | None, scoreboard: bool, days: int) -> int:
    """List the runs of repricing, newest first, or the scoreboard by rule."""

    async def work(workspace: "Workspace") -> int:
        if scoreboard:
            scores = await workspace.scores(days=days)
            if call.json:
                for score in scores:
                    print_json(jsonable(score))
            elif scores:
                print_table(
                    ("RULE", "CHANGES", "LOOKED AT", "WON", "LOST", "SOLD", "MARGIN"),
                    [
                        (each.rule, each.changes, each.followed, each.gained, each.lost, each.sold, each.margin)
                        for each in scores
                    ],
                    right=("CHANGES", "LOOKED AT", "WON", "LOST", "SOLD"),
                )
            else:
                call.say(f"Repricing changed nothing in the last {days} days.")
            return 0
        rows = await workspace.runs(limit=limit, after=after)
        if call.json:
            for row in rows:
                print_json(jsonable(row))
        elif rows:
            print_table(
                ("ID", "RUN", "CAUSE", "MODE", "AT", "ENDED", "COUNTS", "NOTICE"),
                [
                    (row.id, row.name, row.cause, row.mode, row.at, row.ended, _counts(row.counts), row.notice)
                    for row in rows
                ],
                zone=workspace.zone,
                right=("ID",),
            )
        else:
            call.say("There was no run yet.")
        return 0

    return call.run(work, auth="skip")


def print_decision(call: Call, view: DecisionView, zone: tzinfo) -> None:
    """Print one decision with everything that it was made from and what came of it."""
    if call.json:
        print_json(
            decision_json(view.row)
            | {
                "again": [decision_json(row) for row in view.again],
                "outcomes": [jsonable(outcome) for outcome in view.outcomes],
            }
        )
        return
    decision = view.row.decision
    print_facts(
        {
            "decision": f"{view.row.id or '–'}: {decision.sku} {decision.market} {view.row.title}",
            "standing": decision.standing,
            "what": decision.reason,
            "state": " ".join(part for part in (view.row.state, view.row.result) if part),
            "run": view.row.run,
            "rule": decision.rule,
            "strategy": decision.strategy,
            "mode": decision.mode,
            "price": decision.old,
            "target": decision.target,
            "wanted": decision.wanted,
            "floor": decision.floor,
            "ceiling": decision.ceiling,
            "worth": decision.worth,
            "margin": None if decision.margin is None else f"{decision.margin:.1%}",
            "decided": decision.at,
        },
        zone=zone,
    )
    print_table(("GUARD", "EFFECT", "WHY"), [(check.guard, check.effect, check.detail) for check in decision.guards])
    print_facts({f"from {name}": value for name, value in _flat(decision.made_from)}, zone=zone)
    for row in view.again:
        print_facts({f"again, {row.state}": row.decision.reason}, zone=zone)
    if view.outcomes:
        print_table(
            ("AFTER", "SEEN", "WON", "PRICE TO WIN", "SOLD", "MARGIN"),
            [_outcome(outcome) for outcome in view.outcomes],
            zone=zone,
            right=("SOLD",),
        )


def _outcome(outcome: OutcomeRow) -> tuple[object, ...]:
    after = timedelta(seconds=outcome.step)
    seen: object = outcome.seen or f"due {outcome.due:%Y-%m-%d %H:%M} UTC"
    return str(after), seen, outcome.winning, outcome.price_to_win, outcome.sold, outcome.margin


def _flat(value: Mapping[str, object], path: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, item in value.items():
        place = f"{path}.{name}" if path else name
        if isinstance(item, Mapping):
            found += _flat(item, place)
        elif item is not None and item != []:
            found.append((place, item if isinstance(item, str | int) else str(item)))
    return found


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
