"""UUIDs that know their number: a hundred thousand listings need no index to be found by id."""

from functools import lru_cache
from hashlib import blake2b
from uuid import UUID


def _as_version_4(raw: bytearray, version_at: int, variant_at: int) -> bytes:
    raw[version_at] = raw[version_at] & 0x0F | 0x40
    raw[variant_at] = raw[variant_at] & 0x3F | 0x80
    return bytes(raw)


def _key(seed: int, rest: bytes) -> int:
    return int.from_bytes(blake2b(rest, digest_size=4, salt=seed.to_bytes(8, "big")).digest(), "big")


def _text(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid_of(seed: int, index: int) -> str:
    """Return the UUID of a number: its first 32 bits are the number under a key made of the other 96."""
    rest = _as_version_4(bytearray(blake2b(b"%d/uuid/%d" % (seed, index), digest_size=12).digest()), 2, 4)
    return _text((index ^ _key(seed, rest)).to_bytes(4, "big") + rest)


def index_of(seed: int, text: str) -> int | None:
    """Return the number that a UUID was made of, None when it is none of this seed's."""
    try:
        raw = UUID(text).bytes
    except ValueError:
        return None
    index = int.from_bytes(raw[:4], "big") ^ _key(seed, raw[4:])
    return index if uuid_of(seed, index) == _text(raw) else None


def integer_of(text: str) -> int | None:
    """Return the whole number that a part of an address holds, None when it holds something else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@lru_cache(maxsize=4096)
def product_uuid(seed: int, number: int) -> str:
    """Return the UUID of a product of the catalogue."""
    raw = bytearray(blake2b(b"%d/product/%d" % (seed, number), digest_size=16).digest())
    return _text(_as_version_4(raw, 6, 8))
