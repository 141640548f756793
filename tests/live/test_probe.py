"""The probe of a real shop, tried on the sandbox."""

from pathlib import Path

import httpx

from bmconsole.paths import Paths
from bmconsole.sandbox import RunningSandbox
from tests.conftest import MARKETS, profile_for
from tests.live.probe import probe


async def test_the_probe_reads_only_and_its_report_names_no_buyer(sandbox: RunningSandbox, tmp_path: Path) -> None:
    for index in range(3):
        sandbox.shop.listings.change(index).extra["moon_phase"] = "secret"
    drift = await probe(profile_for(sandbox, access="viewer"), Paths.under(tmp_path))
    assert (drift.orders.count, drift.orders.seen) == (130, 50)
    assert drift.orders.invalid == {}
    assert {market: stream.count for market, stream in drift.listings.items()} == dict.fromkeys(MARKETS, 70)
    assert any("moon_phase: str" in stream.unknown for stream in drift.listings.values())
    assert (drift.rate_limited, drift.environment) == (0, "sandbox")
    journal = sandbox.journal
    assert journal.count("GET") == journal.total
    text = drift.as_text()
    headers = {"Authorization": f"Basic {sandbox.token}", "User-Agent": "BM-Acme-Test;it@acme.example"}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers) as http:
        orders = (await http.get("/ws/orders")).json()["results"]
    buyers = {order["shipping_address"]["last_name"] for order in orders} - {""}
    assert buyers
    assert not [name for name in buyers if name in text]
    assert "secret" not in text
    assert sandbox.token not in text
