"""What the overview says: its numbers as people read them, each with the command that shows its rows."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from bmconsole.console.look import Cell, Tone, count, gauge, money, span
from bmconsole.console.widgets.figures import Figure, Group
from bmconsole.console.widgets.spark import bars, spark
from bmconsole.domain.figures import DAYS, BoxFigures, Overview, Sales, Waiting
from bmconsole.domain.money import minor_digits
from bmconsole.domain.text import clean
from bmconsole.domain.views import WorkspaceStatus

SINCE = f"created>=-{DAYS - 1}d"
FEEDS = {"orders": timedelta(hours=1), "listings": timedelta(hours=3), "backbox": timedelta(hours=6)}
"""After how long without a clean pass a feed is told as old."""


def groups(overview: Overview, status: WorkspaceStatus, market: str, now: datetime) -> tuple[Group, ...]:
    """Return the overview in groups, what costs money first."""
    box = next((box for box in overview.boxes if box.market == market), BoxFigures(market))
    return (
        _work(overview, now),
        _sold(overview.sales),
        _stock(overview, box),
        _box(box),
        *([_boxes(overview.boxes)] if len(overview.boxes) > 1 else []),
        _went(overview.sales),
        _machine(overview, status, now),
    )


def chart(sales: Sales, width: int, height: int) -> list[Cell]:
    """Return the revenue of each day as bars, `height` lines with a title and the days below; today in its own tone."""
    step = max(1, (width - 4) // len(sales.days))
    wide = max(1, step - 1)
    lines = bars([day.revenue for day in sales.days], height - 2, wide, step - wide)
    best = max(sales.days, key=lambda day: day.revenue)
    title: Cell = (
        ("  Revenue a day", Tone.STRONG),
        (f"   {_whole(best.revenue, sales.currency)} {clean(sales.currency)} at most, on {best.day:%d %b}", Tone.DIM),
    )
    every = 1 if step >= 3 else -(-7 // step)
    form = "%d" if every == 1 else "%d %b"
    days = "".join(day.day.strftime(form).ljust(every * step) for day in sales.days[::every])
    painted: list[Cell] = [(("  ", Tone.DIM), (line[:-wide], Tone.KEY), (line[-wide:], Tone.GOOD)) for line in lines]
    return [title, *painted, (("  ", Tone.DIM), (days, Tone.DIM))]


def _work(overview: Overview, now: datetime) -> Group:
    work = overview.work
    oldest: Cell = ()
    if work.to_accept and work.oldest is not None:
        oldest = _hint(f"oldest {span(now - work.oldest)}")
    return Group(
        "Orders now",
        (
            _number("To accept", work.to_accept, "orders to accept", Tone.WARN, oldest),
            _number("To ship", work.to_ship, "orders to ship"),
            _number("Due today", work.due_today, "orders due-today", Tone.WARN),
            _number("Late", work.late, "orders late", Tone.BAD),
        ),
    )


def _sold(sales: Sales) -> Group:
    def amount(days: int) -> Cell:
        return ((_whole(sales.revenue(days), sales.currency), Tone.STRONG if days == 1 else Tone.PLAIN),)

    def orders(days: int) -> str:
        number = sum(day.orders for day in sales.days[-days:])
        return f"{count(number)} order{'s' * (number != 1)}"

    before = sum(day.revenue for day in sales.days[-14:-7])
    change = "" if not before else f", {(sales.revenue(7) - before) / before:+.0%}"
    figures = [
        Figure("Today", amount(1), ((orders(1), Tone.DIM),), "orders created:today"),
        Figure("7 days", amount(7), ((orders(7) + change, Tone.DIM),), "orders created>=-6d"),
        Figure(f"{DAYS} days", amount(DAYS), spark([day.revenue for day in sales.days]), f"orders {SINCE}", True),
        Figure("Orders a day", _mean(sales), spark([day.orders for day in sales.days]), f"orders {SINCE}", True),
        Figure("Commission", _share(sales.fee, sales.fee_of), _of(sales.fee, sales.currency)),
    ]
    if sales.net is not None:
        known = f"of {_percent(sales.net_of, sales.revenue(DAYS))}, whose cost is known"
        tone = Tone.BAD if sales.net < 0 else Tone.PLAIN
        figures.append(Figure("Net margin", _share(sales.net, sales.net_of, tone), ((known, Tone.DIM),)))
    else:
        figures.append(Figure("Net margin", (("–", Tone.DIM),), (("no costs yet", Tone.DIM),), "listings no-cost"))
    for other in sales.others:
        others: Cell = ((_whole(other.minor, other.currency), Tone.PLAIN),)
        figures.append(Figure(f"{DAYS} days, {clean(other.currency)}", others))
    return Group("Sold", tuple(figures), sales.currency)


def _stock(overview: Overview, box: BoxFigures) -> Group:
    skus = ",".join(f'"{_quoted(sku)}"' for sku in overview.oversold)
    more = "+" if len(overview.oversold) >= 100 else ""
    oversold: Cell = ((f"{len(overview.oversold)}{more}", Tone.BAD if skus else Tone.DIM),)
    return Group(
        f"Stock, online {box.market}",
        (
            Figure("Oversold", oversold, _hint("sold, and not there"), _target(skus)),
            _number("None left", box.empty, "listings publication:online stock<=0", Tone.WARN),
            _number("Last unit", box.last_unit, "listings publication:online stock:1"),
            _number("Above max", box.above_max, "listings above-max publication:online", Tone.WARN),
        ),
    )


def _target(skus: str) -> str:
    return f"listings sku:{skus}" if skus else "listings stock<0"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _box(box: BoxFigures) -> Group:
    gap = money(box.gap) if box.gap is not None else (("–", Tone.DIM),)
    return Group(
        f"Backbox {box.market}",
        (
            Figure("Win rate", _share(box.winning, box.with_data), *_won(box)),
            _number("Winnable", box.winnable, "listings winnable publication:online", Tone.KEY, _hint("over min")),
            _number("Blocked", box.blocked, "listings blocked publication:online", Tone.PLAIN, _hint("under min")),
            Figure("Mean gap", gap, _hint("not won"), "listings !winning publication:online"),
            Figure(
                "Coverage",
                _share(box.with_data, box.online),
                _hint(f"of {count(box.online)}"),
                "listings publication:online",
            ),
        ),
    )


def _hint(text: str) -> Cell:
    return ((text, Tone.DIM),)


def _boxes(boxes: Iterable[BoxFigures]) -> Group:
    return Group(
        "Backboxes by market",
        tuple(
            Figure(
                box.market,
                _share(box.winning, box.with_data),
                (
                    (f"{count(box.winnable)} winnable", Tone.KEY if box.winnable else Tone.DIM),
                    (f", {count(box.blocked)} blocked, {count(box.online)} online", Tone.DIM),
                ),
                f"market {box.market}; listings winnable publication:online",
            )
            for box in boxes
        ),
    )


def _went(sales: Sales) -> Group:
    return Group(
        "How it went",
        (
            Figure(
                "Cancelled",
                _share(sales.cancelled, sales.made, Tone.WARN if sales.cancelled else Tone.PLAIN),
                _hint(f"{count(sales.cancelled)} orders"),
                f"orders status:cancelled {SINCE}",
            ),
            Figure(
                "Refunded",
                _share(sales.refunded, sales.made),
                _hint(f"{count(sales.refunded)} orders"),
                f"orders status:refunded {SINCE}",
            ),
            Figure(
                "Shipped late",
                _share(sales.shipped_late, sales.shipped),
                _hint(f"of {count(sales.shipped)}"),
                f"orders status:shipped {SINCE}",
            ),
            _took("Accepting took", sales.accepting),
            _took("Shipping took", sales.shipping),
        ),
        f"{DAYS} days",
    )


def _took(label: str, waiting: Waiting) -> Figure:
    if waiting.median is None or waiting.p90 is None:
        return Figure(label, (("–", Tone.DIM),), _hint("none here"))
    return Figure(label, ((span(waiting.median), Tone.PLAIN),), _hint(f"p90 {span(waiting.p90)}"))


def _machine(overview: Overview, status: WorkspaceStatus, now: datetime) -> Group:
    figures = [_feed(name, status.feeds.get(name), now) for name in FEEDS]
    edge = next((rule for rule in status.traffic.rules if rule.name == "edge"), None)
    if edge is not None:
        limit = min(edge.limit, edge.working)
        full, empty = gauge(edge.used, limit, 16)
        budget: Cell = ((f"{edge.used}/{limit}", Tone.PLAIN),)
        figures.append(Figure("Budget", budget, ((full, Tone.KEY), (empty, Tone.DIM)), "app.limits"))
    waiting = sum(status.traffic.waiting.values())
    by_priority = status.traffic.waiting.items()
    words = ", ".join(f"{count(number)} {clean(name).lower()}" for name, number in by_priority if number)
    figures += [
        _number("In the queue", waiting, "app.limits", Tone.PLAIN, _hint(words)),
        _number("Answered 429", status.traffic.trips, "app.limits", Tone.WARN),
        _number("Unfinished", status.unfinished_writes, "writes unfinished", Tone.WARN),
        _number("Conflicts", overview.conflicts, "writes conflict", Tone.BAD),
        _number("Unknown fields", overview.unknown_fields, "log unknown", Tone.WARN),
        _number("In quarantine", status.quarantined, "log quarantine", Tone.WARN),
    ]
    return Group("Machine", tuple(figures))


def _feed(name: str, at: datetime | None, now: datetime) -> Figure:
    label = f"{name.capitalize()} feed"
    if at is None:
        return Figure(label, (("never", Tone.WARN),), (), "log source:sync")
    old = now - at > FEEDS[name]
    tone = Tone.WARN if old else Tone.PLAIN
    return Figure(label, ((span(now - at), tone),), _hint("old" if old else ""), "log source:sync")


def _number(label: str, number: int, target: str, tone: Tone = Tone.PLAIN, note: Cell = ()) -> Figure:
    return Figure(label, ((count(number), tone if number else Tone.DIM),), note if number else (), target)


def _share(part: int, whole: int, tone: Tone = Tone.PLAIN) -> Cell:
    if not whole:
        return (("–", Tone.DIM),)
    return ((_percent(part, whole), tone if part else Tone.DIM),)


def _percent(part: int, whole: int) -> str:
    share = part / whole if whole else 0.0
    return f"{share:.1%}" if 0 < abs(share) < 0.1 else f"{share:.0%}"


def _won(box: BoxFigures) -> tuple[Cell, str, bool]:
    known = [value for value in box.trend if value is not None]
    trend = spark(box.trend, Tone.GOOD) if len(known) > 1 else _hint(f"{count(box.winning)} won")
    return trend, "listings winning publication:online", len(known) > 1


def _mean(sales: Sales) -> Cell:
    return ((f"{sum(day.orders for day in sales.days) / len(sales.days):,.1f}", Tone.PLAIN),)


def _of(minor: int, currency: str) -> Cell:
    return ((f"{_whole(minor, currency)} {clean(currency)}", Tone.DIM),) if minor else ()


def _whole(minor: int, currency: str) -> str:
    """Return an amount in whole units: `12,345`."""
    return f"{round(minor / 10 ** minor_digits(currency)):,}"
