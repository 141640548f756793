"""The commands that change orders and listings: what they print, how they end, and that a viewer sends nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bmconsole.cli.main import app
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread

from .conftest import MARKETS, Run
from .test_writing import Control


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSandbox]:
    """A shop of this module's own, which its tests change."""
    with running_in_thread(Options(seed=5, orders=60, listings=30, markets=MARKETS, limits=False)) as sandbox:
        yield sandbox


@pytest.fixture
def control(shop: RunningSandbox) -> Iterator[Control]:
    control = Control(shop)
    yield control
    control.faults()
    control.close()


def ids(run: Run, status: str, count: int = 1) -> list[str]:
    rows = run("orders", "list", "--json", "--where", f"status:{status}", "--limit", "0").rows
    alone = [row for row in rows if len(row["orderlines"]) == 1 and row["orderlines"][0]["quantity"] == 1]
    return [str(row["order_id"]) for row in alone[:count]]


def test_an_order_goes_through_its_day(run: Run, home: Path, tmp_path: Path) -> None:
    (order,) = ids(run, "to-accept")
    done = run("orders", "accept", order, "--yes", "--json")
    assert (done.code, done.err) == (0, "")
    assert [(row["kind"], row["target"], row["state"]) for row in done.rows] == [("accept", order, "confirmed")]
    again = run("orders", "accept", order, "--yes", "--json")
    assert (again.code, again.out, again.error["code"]) == (5, "", "guard")
    assert "accepted and to be shipped" in again.error["message"]

    ship = ["orders", "ship", order, "--tracking", "6A 12345678901", "--imei", "490154203237518", "--yes"]
    asked = run(*ship, "--json")
    assert (asked.code, "--confirm 1" in asked.error["hint"]) == (5, True)
    done = run(*ship, "--confirm", "1")
    assert done.code == 0
    assert "shipper – → Colissimo (guessed from the number)" in done.err
    shown = run("orders", "show", order, "--live", "--json").rows[0]
    assert (shown["status"], shown["tracking_number"]) == ("shipped", "6A12345678901")
    assert shown["orderlines"][0]["imei"] == "490154203237518"

    pdf = tmp_path / "invoice.pdf"
    pdf.write_bytes(b"%PDF-1.4")
    assert run("orders", "invoice", order, str(pdf), "--yes").code == 0
    assert run("orders", "invoice", order, str(tmp_path / "none.pdf"), "--yes", "--json").error["exit"] == 2
    assert run("orders", "refund", order, "--yes", "--confirm", "1", "--json").error["field"] == "reason"
    done = run("orders", "refund", order, "--reason", "22", "--message", "sorry", "--yes", "--confirm", "1")
    assert done.code == 0
    assert run("orders", "note", order, "came back broken", "--json").rows[0]["text"] == "came back broken"
    kinds = [row["kind"] for row in run("writes", "list", "--target", order, "--json").rows]
    assert kinds == ["refund", "invoice", "ship", "accept"]
    assert [row["kind"] for row in run("writes", "list", "--kind", "ship", "--json").rows] == ["ship"]
    assert run("writes", "list", "--state", "conflict", "--json").rows == []
    assert len(json.loads(run("status", "--json").out)["audit_head"]) == 64


def test_a_file_of_parcels_and_its_faults(run: Run, home: Path, tmp_path: Path) -> None:
    one, two = ids(run, "to-ship", 2)
    file = tmp_path / "parcels.csv"
    file.write_text(f"order_id;tracking\n{one};6A12345678902\n17;6A12345678903\n{two};\n")
    told = run("orders", "ship", "--file", str(file), "--yes", "--json")
    assert (told.code, told.out) == (2, "")
    assert "line 3, column order_id: order 17" in told.error["message"]
    told = run("orders", "ship", "--file", str(file), "--yes", "--skip-invalid")
    assert told.code == 6
    assert "line 4, column tracking: the tracking number is missing." in told.err
    assert run("orders", "show", one, "--json").rows[0]["status"] == "shipped"
    assert run("orders", "show", two, "--json").rows[0]["status"] == "to-ship"
    both = run("orders", "ship", one, "--file", str(file), "--yes", "--json")
    assert (both.code, both.error["field"]) == (2, "file")


def test_an_import_its_run_and_its_undo(run: Run, home: Path, tmp_path: Path, control: Control) -> None:
    file = tmp_path / "all.csv"
    assert run("listings", "export", "--output", str(file)).code == 0
    assert file.stat().st_mode & 0o077 == 0
    same = run("listings", "import", str(file), "--yes")
    assert (same.code, same.out) == (0, "")
    before = run("listings", "export", "--json").rows
    chosen = [row for row in before if row["market"] == "fr-fr" and row["min_price"] is None][:6]
    rows = "\n".join(f"{row['id']};{float(row['price']['amount']) - 2:.2f}" for row in chosen)
    file.write_text(f"id;price\n{rows}\n")
    done = run("listings", "import", str(file), "--yes", "--json")
    assert (done.code, [row["state"] for row in done.rows]) == (0, ["confirmed"] * 6)
    (name,) = {row["run"] for row in done.rows}
    assert {row["origin"] for row in done.rows} == {"import"}
    control.edit(chosen[0]["id"], market="fr-fr", price="77.00")
    undone = run("writes", "undo", "--run", name, "--yes")
    assert undone.code == 6
    assert "price is 77.00 now" in undone.err
    listed = run("writes", "list", "--run", name, "--json").rows
    assert sum(row["undone_by"] is not None for row in listed) == 5
    assert run("writes", "undo", "--yes", "--json").error["exit"] == 2
    assert run("writes", "undo", str(listed[0]["id"]), "--yes", "--json").error["exit"] == 5


def test_a_conflict_is_resolved(run: Run, home: Path, control: Control) -> None:
    row = run("listings", "export", "--json", "--market", "de-de").rows[3]
    new = f"{float(row['price']['amount']) - 1:.2f}"
    control.edit(row["id"], market="de-de", price="66.00", min_price=None)
    told = run("listings", "set", row["id"], "--market", "de-de", "--price", new, "--yes", "--json")
    assert (told.code, told.rows[0]["state"]) == (5, "conflict")
    number = str(told.rows[0]["id"])
    assert run("writes", "resolve", number, "--json").error["exit"] == 2
    assert run("writes", "resolve", number, "--overwrite", "--json").error["exit"] == 5
    done = run("writes", "resolve", number, "--overwrite", "--yes", "--json")
    assert (done.code, [row["state"] for row in done.rows]) == (0, ["dropped", "confirmed"])
    assert run("writes", "resolve", number, "--keep", "--json").error["exit"] == 5


def test_exports_of_orders_are_inert_and_keep_buyers_from_viewers(run: Run, home: Path) -> None:
    picked = run("orders", "export", "--where", "status:to-ship").out.splitlines()
    assert picked[0] == "order_id,status,due,sku,product,quantity,orderline,imei,serial"
    assert len(picked) > 1
    assert run("orders", "export", "--columns", "order_id,buyer", "--json").rows[0]["buyer"]
    told = run("orders", "export", "--columns", "order_id,buyer", "--read-only", "--json")
    assert (told.code, told.out) == (3, "")
    assert run("orders", "export", "--columns", "nonsense", "--json").error["exit"] == 2


def test_a_delivery_note_is_an_address_that_needs_no_token(run: Run, home: Path, shop: RunningSandbox) -> None:
    (order,) = ids(run, "shipped")
    said = run("orders", "delivery-note", order, "--read-only")
    assert (said.code, said.out) == (0, f"https://documents.example/delivery_note/{order}.pdf\n")
    assert shop.token not in said.out + said.err
    assert run("orders", "delivery-note", "17", "--json").error["code"] == "not-found"


def test_prices_step_from_the_present_ones_in_several_listings(run: Run, home: Path) -> None:
    rows = run("listings", "export", "--json", "--market", "fr-fr").rows
    chosen = [row for row in rows if row["min_price"] is None][-2:]
    refs = [row["id"] for row in chosen]
    done = run("listings", "set", *refs, "--price", "-1%", "--yes", "--json")
    assert (done.code, [row["state"] for row in done.rows]) == (0, ["confirmed"] * 2)
    for row, intent in zip(chosen, done.rows, strict=True):
        assert float(intent["want"]["price"]) == pytest.approx(float(row["price"]["amount"]) * 0.99, abs=0.006)
    asked = run("listings", "set", *refs, "--price", "-30%", "--yes", "--json")
    assert (asked.code, "--confirm 2" in asked.error["hint"]) == (5, True)
    # An amount is no step here: a script's negative price must stay a fault.
    assert run("listings", "set", *refs, "--price=-5", "--yes", "--json").error["field"] == "price"
    assert run("listings", "set", refs[0], "--price", "+x%", "--yes", "--json").error["field"] == "price"


def asking() -> Iterator[tuple[str, str]]:
    """Give every command that may change something at Back Market: those that ask for a number."""
    for name in app.list_commands(click.Context(app)):
        group = app.get_command(click.Context(app), name)
        if isinstance(group, click.Group):
            for inner in group.list_commands(click.Context(group)):
                command = group.get_command(click.Context(group), inner)
                if command is not None and any(option.name == "confirmed" for option in command.params):
                    yield name, inner


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_a_viewer_sends_no_write_in_any_command(
    run: Run, home: Path, shop: RunningSandbox, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (accept,), (ship,) = ids(run, "to-accept"), ids(run, "to-ship")
    (shipped,) = ids(run, "shipped")
    listing = run("listings", "export", "--json", "--market", "fr-fr").rows[0]
    changed = run("listings", "set", listing["id"], "--quantity", "+1", "--yes", "--json").rows[0]
    parcels, wares, pdf = tmp_path / "p.csv", tmp_path / "w.csv", tmp_path / "i.pdf"
    parcels.write_text(f"order_id,tracking\n{ship},6A12345678901\n")
    wares.write_text(f"id,quantity\n{listing['id']},99\n")
    pdf.write_bytes(b"%PDF-1.4")
    before, known = len(shop.journal.writes), run("writes", "list", "--json").rows
    if how == "environment":
        monkeypatch.setenv("BMCONSOLE_ACCESS", "viewer")
    asked = ["--yes", "--confirm", "1"]
    commands = [
        ["orders", "accept", accept, *asked],
        ["orders", "cancel", accept, *asked],
        ["orders", "ship", ship, "--tracking", "6A12345678901", *asked],
        ["orders", "ship", "--file", str(parcels), *asked],
        ["orders", "refund", shipped, "--reason", "25", *asked],
        ["orders", "invoice", shipped, str(pdf), *asked],
        ["orders", "note", shipped, "x"],
        ["listings", "set", listing["id"], "--quantity", "0", *asked],
        ["listings", "import", str(wares), *asked],
        ["writes", "undo", str(changed["id"]), *asked],
        ["writes", "resolve", str(changed["id"]), "--keep"],
        ["writes", "resolve", str(changed["id"]), "--overwrite", *asked],
        ["writes", "resolve", str(changed["id"]), "--resend"],
        ["reprice", "approve", "--all", *asked],
    ]
    assert {tuple(command[:2]) for command in commands} >= set(asking()), "a command that writes is missing here"
    for command in commands:
        told = run(*command, "--json", *(["--read-only"] if how == "flag" else []))
        assert (told.code, told.out) == (3, ""), command
        assert told.error["code"] == "not-allowed"
    assert run("sync", "--json", *(["--read-only"] if how == "flag" else [])).code == 0
    assert len(shop.journal.writes) == before
    assert run("writes", "list", "--json").rows == known


def test_no_buyer_is_in_the_journal_after_a_day(run: Run, home: Path, shop: RunningSandbox, tmp_path: Path) -> None:
    for order in ids(run, "to-accept", 4):
        run("orders", "accept", order, "--yes")
    for order in ids(run, "to-ship", 3):
        run("orders", "ship", order, "--tracking", "6A12345678901", "--yes")
    buyers = [row["shipping_address"] for row in run("orders", "list", "--json", "--limit", "0").rows]
    shown = run("orders", "show", ids(run, "shipped")[0], "--json").rows[0]
    name = shown["shipping_address"]["first_name"]
    pdf = tmp_path / f"{name}.pdf"
    pdf.write_bytes(f"%PDF-1.4 for {name}".encode())
    order = str(shown["order_id"])
    run("orders", "invoice", order, str(pdf), "--yes")
    run("orders", "refund", order, "--reason", "25", "--message", f"Dear {name}", "--yes", "--confirm", "1")
    run("orders", "cancel", ids(run, "to-accept")[0], "--yes", "--confirm", "1")
    assert len(run("writes", "list", "--json").rows) >= 9
    words = {
        str(address[field])
        for address in buyers
        for field in ("last_name", "email", "phone", "street", "postal_code")
        if address[field] and len(str(address[field])) > 4
    } | {f"Dear {name}"}
    held = b"".join(path.read_bytes() for path in home.rglob("journal.db*"))
    assert held
    found = sorted(word for word in words if word.encode() in held or json.dumps(word)[1:-1].encode() in held)
    assert not found
