"""IMEIs and serial numbers: what identifies a device. Once registered with an order they cannot be corrected."""

import re
from dataclasses import dataclass

_DOUBLED = str.maketrans("0123456789", "0246813579")
_LONGEST_SERIAL = 50


@dataclass(frozen=True, slots=True)
class Device:
    """What identifies the device that a line is shipped with, as typed; `line` names the line by id or SKU."""

    imei: str | None = None
    serial_number: str | None = None
    line: str | None = None


def imei(text: str) -> str:
    """Return an IMEI as its 15 digits; spaces, hyphens and slashes between them are taken out.

    Raises:
        ValueError: It is none; the message says why and does not repeat it.
    """
    digits = re.sub(r"[\s/-]", "", text)
    if not digits:
        raise ValueError("the IMEI is empty")
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError("an IMEI has digits only; a serial number goes into its own field")
    if len(digits) == 14:
        raise ValueError("the IMEI has 14 digits: its check digit is missing")
    if len(digits) == 16:
        raise ValueError("the IMEI has 16 digits: that is an IMEISV, the IMEI is on the box or under *#06#")
    if len(digits) != 15:
        raise ValueError(f"the IMEI has {len(digits)} digits, not 15")
    if not luhn(digits) or len(set(digits)) == 1:
        raise ValueError("the IMEI's check digit is wrong: a digit was misread or two were swapped")
    return digits


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others, after Luhn (ISO/IEC 7812-1, annex B)."""
    doubled = sum(map(int, digits[-2::-2].translate(_DOUBLED)))
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def serial_number(text: str) -> str:
    """Return a serial number without the white space around it.

    Raises:
        ValueError: It is empty, too long, or holds what no serial number has.
    """
    serial = text.strip()
    if not serial:
        raise ValueError("the serial number is empty")
    if len(serial) > _LONGEST_SERIAL:
        raise ValueError(f"the serial number has {len(serial)} characters, at most {_LONGEST_SERIAL} are taken")
    if not re.fullmatch(r"[!-~]+(?: [!-~]+)*", serial):
        raise ValueError("a serial number has letters, digits and signs of ASCII only")
    return serial
