"""The sandbox's answers against the official documents, with the field's known differences accepted and no other.

The documents are not part of this project: BMCONSOLE_OPENAPI names a folder that holds them.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, RunningSandbox, running
from bmconsole.sandbox.deviations import COMPETITOR, LISTING, ORDER, Deviation

from .conftest import TLS, USER_AGENT

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

DOCUMENTS = os.environ.get("BMCONSOLE_OPENAPI")
pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="BMCONSOLE_OPENAPI does not name a folder with the documents")

Json = dict[str, Any]  # documents and answers of any shape, looked into by path
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or _RFC_3339.fullmatch(value) is not None


_formats = jsonschema.FormatChecker(formats=["uuid"])
_formats.checks("date-time")(_is_date_time)


class Documents:
    """The documents by surface, and a tally of what was held against them.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._by_surface: dict[str, Json] = {}
        for path in folder.glob("back-market-*-api-openapi.yml"):
            surface = path.name.removeprefix("back-market-").removesuffix("-api-openapi.yml")
            self._by_surface[surface] = yaml.safe_load(path.read_text("utf-8"))
        self.checked: Counter[str] = Counter()
        self.used: Counter[Deviation] = Counter()

    def hold(
        self, surface: str, path: str, answer: httpx.Response, deviations: list[Deviation], prefix: str = ""
    ) -> None:
        """Check an answer against the schema of its operation and status.

        Args:
            surface: The document.
            path: The operation's path as the document writes it.
            answer: What came.
            deviations: The differences to accept.
            prefix: Where in the answer their places begin.
        """
        document = self._by_surface[surface]
        method = answer.request.method.lower()
        response = document["paths"][path][method]["responses"][str(answer.status_code)]
        while "$ref" in response:
            response = self._at(document, response["$ref"])
        schema = {**response["content"]["application/json"]["schema"], "components": document["components"]}
        body = answer.json()
        validator = jsonschema.Draft202012Validator(schema, format_checker=_formats)
        accepted = {(prefix + deviation.where, deviation.rule): deviation for deviation in deviations}
        wrong = []
        found = [(_place(error.absolute_path), error.validator) for error in validator.iter_errors(body)]
        found += [(place, "undocumented") for place in self._undocumented(document, schema, body, "")]
        for place, rule in found:
            if (place, rule) in accepted:
                self.used[accepted[(place, rule)]] += 1
            else:
                wrong.append(f"{place}: {rule}")
        assert not wrong, f"{answer.request.method} {answer.request.url}: {sorted(set(wrong))}"
        self.checked[f"{surface} {method} {path} {answer.status_code}"] += 1

    def _at(self, document: Json, reference: str) -> Json:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)

    def _undocumented(self, document: Json, schema: Json, value: object, place: str) -> Iterator[str]:
        """Yield the places of fields that no schema names."""
        properties, items = self._members(document, schema)
        if isinstance(value, Mapping) and properties:
            for name, member in value.items():
                here = f"{place}/{name}".lstrip("/")
                if name not in properties:
                    yield here
                else:
                    yield from self._undocumented(document, properties[name], member, here)
        elif isinstance(value, list) and items is not None:
            for member in value:
                yield from self._undocumented(document, items, member, f"{place}/*".lstrip("/"))

    def _members(self, document: Json, schema: Json) -> tuple[Json, Json | None]:
        """Return all properties and the items that a schema describes, references and parts included."""
        properties, items = dict(schema.get("properties", {})), schema.get("items")
        parts = [*schema.get("allOf", []), *schema.get("anyOf", []), *schema.get("oneOf", [])]
        if "$ref" in schema:
            parts.append(self._at(document, schema["$ref"]))
        for part in parts:
            more, its_items = self._members(document, part)
            properties.update(more)
            items = items or its_items
        return properties, items


def _place(path: Any) -> str:
    return "/".join("*" if isinstance(part, int) else str(part) for part in path)


async def _check_orders(documents: Documents, sandbox: RunningSandbox, client: httpx.AsyncClient) -> None:
    pages = -(-sandbox.shop.options.orders // 50)
    for page in range(1, pages + 1):
        answer = await client.get(f"/ws/orders?page-size=50&page={page}")
        documents.hold("orders", "/ws/orders", answer, ORDER, "results/*/")
    for row in answer.json()["results"]:
        documents.hold("orders", "/ws/orders/{order_id}", await client.get(f"/ws/orders/{row['order_id']}"), ORDER)
    for state in (3, 1):
        for row in (await client.get(f"/ws/orders?state={state}")).json()["results"][:3]:
            sku = next(line["listing"] for line in row["orderlines"] if line["state"] in {1, 2})
            body = {"order_id": row["order_id"], "new_state": 2 if state == 1 else 5, "sku": sku}
            answer = await client.post(f"/ws/orders/{row['order_id']}", json=body)
            documents.hold("orders", "/ws/orders/{order_id}", answer, ORDER)
            line = next(line for line in row["orderlines"] if line["imei"] is None)
            answer = await client.patch(f"/ws/orderlines/{line['id']}", json={"imei": "490154203237518"})
            documents.hold("orderline", "/ws/orderlines/{orderline_id}", answer, [])


async def _check_listings(
    documents: Documents, sandbox: RunningSandbox, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    path, one = "/ws/listings", "/ws/listings/{listingId}"
    for market in sandbox.shop.options.markets:
        client.headers["Accept-Language"] = market
        for page in (1, 2):
            answer = await client.get(f"/ws/listings?page-size=50&page={page}")
            documents.hold("listings", path, answer, LISTING, "results/*/")
        rows = answer.json()["results"]
        for row in rows[:20]:
            documents.hold("listings", one, await client.get(f"/ws/listings/{row['id']}"), LISTING)
            answer = await client.get("/ws/listings/detail", params={"sku": row["sku"]})
            documents.hold("listings", "/ws/listings/detail", answer, LISTING)
        body = {"quantity": 4, "shipper_1": "UPS", "shipping_delay_1": 24, "shipping_price_1": "4"}
        for row in rows[:5]:
            documents.hold("listings", one, await client.post(f"/ws/listings/{row['id']}", json=body), LISTING)
        documents.hold("listings", one, await client.post(f"/ws/listings/{row['id']}", json={"quantity": -1}), [])
        for row in rows:
            clock.advance(1)
            answer = await client.get(f"/ws/backbox/v1/competitors/{row['id']}")
            if answer.status_code == 200:
                documents.hold("backbox", "/ws/backbox/v1/competitors/{listingId}", answer, COMPETITOR)
    documents.hold("listings", one, await client.get("/ws/listings/12"), [])
    documents.hold("listings", "/ws/listings/detail", await client.get("/ws/listings/detail"), [])
    answer = await client.get("/ws/listings", headers={"Authorization": "Basic wrong"})
    documents.hold("listings", path, answer, [])
    sandbox.limiter.configure({"enabled": True, "sku_lines": "0/3600"})
    documents.hold("listings", one, await client.post(f"/ws/listings/{row['id']}", json={"quantity": 1}), [])


async def test_every_answer_is_as_documented_or_as_known_from_the_field() -> None:
    documents = Documents(Path(str(DOCUMENTS)))
    for markets in (("fr-fr", "de-de", "en-gb", "fi-fi"), ("en-us",), ("ja-jp",)):
        clock = ManualClock()
        options = Options(seed=3, orders=180, listings=100, markets=markets, clock=clock, limits=False)
        headers = {"Authorization": "Basic sandbox-token-3", "User-Agent": USER_AGENT}
        async with (
            running(options) as sandbox,
            httpx.AsyncClient(base_url=sandbox.url, headers=headers, verify=TLS) as client,
        ):
            await _check_orders(documents, sandbox, client)
            await _check_listings(documents, sandbox, client, clock)
    known = [*ORDER, *LISTING, *COMPETITOR]
    unused = [deviation for deviation in known if not documents.used[deviation]]
    assert not unused
    print(
        f"\n{len(documents.checked)} schemas, {documents.checked.total()} answers, "
        f"{len(known)} deviations used {documents.used.total()} times"
    )
    for what, count in sorted(documents.checked.items()):
        print(f"  {count:5} {what}")
