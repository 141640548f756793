"""How decisions about prices are told: as rows, as JSON, as a diff to be accepted, and what came of them."""

from collections.abc import Sequence

from bmconsole.cli.confirm import make_sure
from bmconsole.cli.frame import Call
from bmconsole.cli.output import print_json, print_table
from bmconsole.domain.decisions import Decision
from bmconsole.domain.money import Money
from bmconsole.domain.pricing_views import DecisionRow, RepriceResult, asked_besides
from bmconsole.domain.text import clean
from bmconsole.errors import Guarded, Partial

_MOST_SHOWN = 100
_FIRST_SHOWN = 40


def decision_json(row: DecisionRow) -> dict[str, object]:
    """Return a decision, its fixed fields first; ours about what became of it behind them."""
    shape = row.decision.as_json()
    return shape | {
        "title": row.title,
        "id": row.id or None,
        "run": row.run or None,
        "state": row.state,
        "result": row.result,
        "write": row.intent,
    }


def print_decisions(call: Call, rows: Sequence[DecisionRow]) -> None:
    """Print decisions as JSON lines, or as a table."""
    if call.json:
        for row in rows:
            print_json(decision_json(row))
        return
    kept = any(row.id for row in rows)
    print_table(
        (*(("ID",) if kept else ()), "SKU", "MARKET", "STANDING", "DECISION", "PRICE", "TARGET", "REASON"),
        [
            (
                *((row.id,) if kept else ()),
                row.decision.sku,
                row.decision.market,
                row.decision.standing,
                row.state or row.decision.decision,
                row.decision.old,
                row.decision.target,
                row.result or row.decision.reason,
            )
            for row in rows
        ],
        right=("ID", "PRICE", "TARGET"),
    )


def confirm_decisions(call: Call, rows: Sequence[DecisionRow], *, yes: bool, confirmed: int | None) -> None:
    """Show the changes on stderr, and make sure that the operator accepts them; very many or far ones by their number.

    Raises:
        Guarded: They were declined, or nobody can be asked and --yes or --confirm is missing.
    """
    many = len(rows) > _MOST_SHOWN
    for row in rows[: _FIRST_SHOWN if many else None]:
        call.say(_change(row.decision))
    if many:
        call.say(f"… and {len(rows) - _FIRST_SHOWN} more changes.")
    call.say("Each is observed again and decided again before it is written.")
    why = clean(asked_besides([row.decision for row in rows]))
    make_sure(call, f"Write {len(rows)} prices?", len(rows), why, yes=yes, confirmed=confirmed)


def finish(call: Call, result: RepriceResult) -> int:
    """Print what came of a run.

    Raises:
        Guarded: A breaker or a pause ended it.
        Partial: Some writes failed.
    """
    print_decisions(call, result.decisions)
    told = ", ".join(f"{count} {name}" for name, count in sorted(result.states.items())) or "nothing"
    call.say(f"This is run {result.run}: {told}.")
    if result.stopped is not None:
        raise Guarded(f"The run was stopped: {result.stopped}.", field="run", value=result.run)
    failed = [row for row in result.decisions if row.state == "failed"]
    if failed:
        raise Partial(
            f"{len(failed)} of {len(result.decisions)} prices were not written: {failed[0].result}",
            field="run",
            value=result.run,
        )
    return 0


def _change(decision: Decision) -> str:
    old, new = decision.old, decision.target
    return f"{decision.sku} {decision.market}: price {_text(old)} → {_text(new)}{_share(old, new)}  {decision.reason}"


def _text(money: Money | None) -> str:
    return "–" if money is None else money.text()


def _share(old: Money | None, new: Money | None) -> str:
    if old is None or new is None or old.minor <= 0:
        return ""
    return f"  ({(new.minor - old.minor) * 100 / old.minor:+.1f} %)"
