"""Faults of what an answer holds: records that are malformed, pages that are others than were asked for."""

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from .clock import Clock
from .fault import Fault


def _rename(record: dict[str, object], name: str, draw: random.Random) -> None:
    record[f"{name}_renamed"] = record.pop(name)


def _become(value: object) -> "_Mutation":
    def become(record: dict[str, object], name: str, draw: random.Random) -> None:
        record[name] = value

    return become


def _drop(record: dict[str, object], name: str, draw: random.Random) -> None:
    del record[name]


def _retype(record: dict[str, object], name: str, draw: random.Random) -> None:
    others: tuple[object, ...] = ("text", 7, 1.5, True, [], {}, [[]])
    record[name] = draw.choice([value for value in others if type(value) is not type(record[name])])


_Mutation = Callable[[dict[str, object], str, random.Random], None]
_NESTED = "nested-here"
MUTATIONS: Mapping[str, _Mutation] = {
    "drop": _drop,
    "rename": _rename,
    "retype": _retype,
    "null": _become(None),
    "huge": _become(10**400),
    "nan": _become(math.nan),
    "surrogate": _become("\ud800"),
    "nest": _become(_NESTED),
}


@dataclass(kw_only=True)
class Malformed(Fault):
    """Records of an answer come out wrong, in one field each.

    Args:
        how: `drop`, `rename`, `retype` or `null` a field, a `huge` integer, `nan`, a lone `surrogate`, `nest` 3,000
            deep, `double` (the record comes twice), or `any` of them.
        share: Of how many records.
        field: The field; empty for any that the record has.
    """

    kind = "malformed"

    how: str = "any"
    share: float = 0.05
    field: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.how not in {"any", "double", *MUTATIONS}:
            raise ValueError(f"how must be any, double, {', '.join(MUTATIONS)}")
        if not 0 <= self.share <= 1:
            raise ValueError("share must be from 0 to 1")

    async def after(self, clock: Clock, response: Response) -> Response:
        try:
            content = json.loads(bytes(response.body))
        except ValueError:
            return response
        if isinstance(content, dict) and isinstance(content.get("results"), list):
            content["results"] = [one for record in content["results"] for one in self._mutated(record)]
        elif isinstance(content, dict):
            content = self._mutated(content)[0]
        text = json.dumps(content).replace(f'"{_NESTED}"', "[" * 3_000 + "]" * 3_000)
        return Response(text, response.status_code, media_type=response.headers.get("content-type"))

    def _mutated(self, record: object) -> list[object]:
        if not isinstance(record, dict) or not record or self._random.random() >= self.share:
            return [record]
        how = self._random.choice(["double", *MUTATIONS]) if self.how == "any" else self.how
        if how == "double":
            return [record, record]
        name = self.field or self._random.choice(sorted(record))
        if name in record:
            MUTATIONS[how](record, name, self._random)
        return [record]


@dataclass(kw_only=True)
class WrongPage(Fault):
    """The page before the one that was asked for comes once more, as a cache may have it; the first is never struck."""

    kind = "wrong-page"

    def asked(self, query: bytes) -> bytes:
        given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        number = given.get("page", "")
        if not number.isdecimal() or int(number) < 2:
            return query
        return urlencode({**given, "page": int(number) - 1}).encode("latin-1")


@dataclass(kw_only=True)
class Shuffle(Fault):
    """The records of a page come in any order."""

    kind = "shuffle"

    async def after(self, clock: Clock, response: Response) -> Response:
        try:
            content = json.loads(bytes(response.body))
        except ValueError:
            return response
        if not isinstance(content, dict) or not isinstance(content.get("results"), list):
            return response
        self._random.shuffle(content["results"])
        return Response(json.dumps(content), response.status_code, media_type=response.headers.get("content-type"))
