"""Compares an order as Back Market just answered it with the one in the cache."""

from dataclasses import fields

from bmconsole.domain.orders import Order


def differing(live: Order, cached: Order) -> tuple[str, ...]:
    """Return the paths of the fields whose values differ: `state`, `shipping_address.city`, `orderlines.123.state`."""
    found = [
        name for name in _names(live) if name != "orderlines" and "address" not in name and _differs(live, cached, name)
    ]
    for part in ("billing_address", "shipping_address"):
        ours, theirs = getattr(live, part), getattr(cached, part)
        found += [f"{part}.{name}" for name in _names(ours) if _differs(ours, theirs, name)]
    before = {line.id: line for line in cached.orderlines}
    for line in live.orderlines:
        known = before.pop(line.id, None)
        if known is None:
            found.append(f"orderlines.{line.id}")
        else:
            found += [f"orderlines.{line.id}.{name}" for name in _names(line) if _differs(line, known, name)]
    found += [f"orderlines.{gone}" for gone in before]
    return tuple(found)


def _names(value: object) -> list[str]:
    return [field.name for field in fields(value)]  # type: ignore[arg-type]  # only dataclasses come here


def _differs(one: object, other: object, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))
