"""`bmconsole reprice replay`: what rules would have done over what was observed, side by side."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from bmconsole.cli.carry import content_of
from bmconsole.cli.frame import Call, Command
from bmconsole.cli.output import jsonable, print_json, print_table
from bmconsole.domain.pricing_views import ReplaySide
from bmconsole.domain.text import clean
from bmconsole.domain.times import parse_duration
from bmconsole.errors import UsageError

if TYPE_CHECKING:
    from bmconsole.workspace import Workspace


@click.command("replay", cls=Command)
@click.option("--rules", "files", metavar="FILE", multiple=True, help="May be repeated.  [default: rules.toml]")
@click.option("--from", "since", metavar="DAY", help="2026-11-01 or -7d.  [default: -7d]")
@click.option("--to", "until", metavar="DAY", help="Up to the end of this day.  [default: now]")
@click.option("--every", default="1h", metavar="TIME", help="How far apart the decisions lie.  [default: 1h]")
@click.pass_obj
def replay(call: Call, files: tuple[str, ...], since: str | None, until: str | None, every: str) -> int:
    """Let rules decide over what was observed, and compare them side by side. Nothing is written."""
    try:
        apart = parse_duration(every)
    except ValueError as error:
        raise UsageError(f"{error}.", field="every", value=every, hint="Write 15m or 1h.") from None
    texts = [(name, _text(content_of(name, "rules"), name)) for name in files]

    async def work(workspace: "Workspace") -> int:
        now = workspace.now()
        begin = _moment(since or "-7d", now, workspace.zone, end=False)
        finish = now if until is None else min(now, _moment(until, now, workspace.zone, end=True))
        found = await workspace.replay(texts, begin, finish, every=apart)
        if call.json:
            print_json(jsonable(found))
            return 0
        first, last = (f"{each.astimezone(workspace.zone):%Y-%m-%d %H:%M}" for each in (found.since, found.until))
        call.say(f"{found.offers} offers, {found.observations} observations, {first} to {last}.")
        names = tuple(clean(side.name, limit=60) for side in found.sides)
        print_table(
            ("", *names),
            side_by_side(found.sides),
            right=names,
        )
        return 0

    return call.run(work, auth="skip")


def side_by_side(sides: Sequence[ReplaySide]) -> list[tuple[object, ...]]:
    """Return a row for each figure, with its value under each file of rules."""
    rows: list[tuple[object, ...]] = [
        ("changes", *(side.changes for side in sides)),
        ("  cuts", *(side.cuts for side in sides)),
        ("  raises", *(side.raises for side in sides)),
        ("  would wait for approval", *(side.suggested for side in sides)),
        ("mean change", *(_percent(side.mean_change) for side in sides)),
        ("won, of the looks that tell", *(_percent(side.won) for side in sides)),
        ("looks that tell", *(f"{side.told} of {side.looks}" for side in sides)),
        ("mean margin while winning", *(_percent(side.margin) for side in sides)),
        ("looks under the floor", *(side.under_floor for side in sides)),
    ]
    total: Counter[str] = Counter()
    for side in sides:
        total.update(side.guards)
    return rows + [(f"guard {name}", *(side.guards.get(name, 0) for side in sides)) for name, _ in total.most_common()]


def _percent(share: Decimal | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = clean(name, limit=200)
        raise UsageError(f"{shown} is not UTF-8 text (byte {error.start}).", field="rules", value=shown) from None


def _moment(text: str, now: datetime, zone: tzinfo, *, end: bool) -> datetime:
    """Return the begin of a day, or its end: `2026-11-01`, `today` or `-7d`, in the display zone."""
    word = text.strip().lower()
    today = now.astimezone(zone).date()
    try:
        if word == "today":
            day = today
        elif word.startswith("-") and word.endswith("d"):
            day = today - timedelta(days=int(word[1:-1]))
        else:
            day = datetime.fromisoformat(word).date()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{clean(text, limit=40)!r} is no day.",
            field="from",
            value=clean(text, limit=40),
            hint="2026-11-01 or -7d.",
        ) from None
    return datetime.combine(day + timedelta(days=int(end)), time(), zone)
