from datetime import UTC, datetime, timedelta

import pytest

from bmconsole.domain.orders import Order, Orderline, Status, status_of

PAID = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "lines", "status"),
    [
        (0, [1], Status.PENDING),
        (10, [], Status.PENDING),
        (1, [9, 1], Status.PENDING),
        (8, [1], Status.UNPAID),
        (9, [7, 7], Status.UNPAID),
        (1, [1, 2], Status.TO_ACCEPT),
        (3, [2, 4], Status.TO_SHIP),
        (9, [3, 6], Status.SHIPPED),
        (9, [4, 6], Status.REFUNDED),
        (9, [4, 4], Status.CANCELLED),
        (9, [], Status.UNKNOWN),
        (9, [42], Status.UNKNOWN),
    ],
)
def test_status_comes_from_the_lines(state: int, lines: list[int], status: Status) -> None:
    assert status_of(state, lines) is status


def test_due_is_the_dispatch_date_else_payment_and_the_longest_open_delay() -> None:
    lines = (
        Orderline(1, 2, shipping_delay=24),
        Orderline(2, 1, shipping_delay=48),
        Orderline(3, 3, shipping_delay=72),
    )
    order = Order(7, 3, date_payment=PAID, orderlines=lines)
    assert order.due == PAID + timedelta(hours=48)
    assert not order.late(PAID + timedelta(hours=48))
    assert order.late(PAID + timedelta(hours=48, seconds=1))
    dated = Order(7, 3, date_payment=PAID, expected_dispatch_date=PAID, orderlines=lines)
    assert dated.due == PAID


def test_a_shipped_order_is_never_late() -> None:
    order = Order(7, 9, expected_dispatch_date=PAID, orderlines=(Orderline(1, 3),))
    assert not order.late(PAID + timedelta(days=9))
