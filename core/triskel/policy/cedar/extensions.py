"""Cedar's extension types: decimal, ipaddr, datetime, duration. One rule: each is one or two integers, compared exactly.

Semantics: https://docs.cedarpolicy.com/policies/syntax-datatypes.html
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

from triskel.policy.cedar.values import LONG_MAX, LONG_MIN, Fault, mismatch

_DAY_MS = 86_400_000


def _extension_error(kind: str) -> NoReturn:
    raise Fault(f"extension error: not a valid {kind}")


class _Number:
    """An integer that knows what it counts. Instances of one class are ordered, and equal where their number is."""

    __slots__ = ("number",)
    cedar_name = ""
    cedar_ordered = False

    def __init__(self, number: int) -> None:
        if not LONG_MIN <= number <= LONG_MAX:
            _extension_error(self.cedar_name)
        self.number = number

    def __eq__(self, other: object) -> bool:
        return other.__class__ is self.__class__ and self.number == other.number

    def __lt__(self, other: Any) -> bool:
        return bool(self.number < other.number)

    def __hash__(self) -> int:
        return hash((self.cedar_name, self.number))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.number})"


class Decimal(_Number):
    """A number with four decimals, in ten-thousandths. Compared by methods, not by `<`."""

    __slots__ = ()
    cedar_name = "decimal"


class Datetime(_Number):
    """Milliseconds since 1970-01-01T00:00:00Z."""

    __slots__ = ()
    cedar_name = "datetime"
    cedar_ordered = True


class Duration(_Number):
    """Milliseconds, of either sign."""

    __slots__ = ()
    cedar_name = "duration"
    cedar_ordered = True


class IpAddress:
    """An address or a range: the first `prefix` bits of `address` count."""

    __slots__ = ("address", "bits", "prefix")
    cedar_name = "ipaddr"

    def __init__(self, address: int, bits: int, prefix: int) -> None:
        self.address, self.bits, self.prefix = address, bits, prefix

    def _key(self) -> tuple[int, int, int]:
        return self.bits, self.address, self.prefix

    def __eq__(self, other: object) -> bool:
        return other.__class__ is IpAddress and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def ends(self) -> tuple[int, int]:
        """The lowest and the highest address of the range."""
        host = (1 << (self.bits - self.prefix)) - 1
        return self.address & ~host, self.address | host


def _text(value: Any) -> str:
    return value if value.__class__ is str else mismatch("String", value)


def _same(kind: type, value: Any) -> Any:
    return value if value.__class__ is kind else mismatch(kind.cedar_name, value)  # type: ignore[attr-defined]


_DECIMAL = r"(-?)([0-9]{1,20})\.([0-9]{1,4})"


def _decimal(text: Any) -> Decimal:
    match = re.fullmatch(_DECIMAL, _text(text))
    if match is None:
        _extension_error("decimal")
    number = int(match[2]) * 10_000 + int(match[3].ljust(4, "0"))
    return Decimal(-number if match[1] else number)


def _ip(text: Any) -> IpAddress:
    import ipaddress  # noqa: PLC0415 5 ms that only a policy about addresses pays

    address, slash, prefix = _text(text).partition("/")
    # As Rust's parser and Cedar have it: ASCII, no zone, no IPv4 inside IPv6, no prefix with a leading zero.
    if len(text) > 43 or not text.isascii() or "%" in address or (":" in address and "." in address):
        _extension_error("ipaddr")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        _extension_error("ipaddr")
    bits = parsed.max_prefixlen
    if not slash:
        return IpAddress(int(parsed), bits, bits)
    if not prefix.isdigit() or len(prefix) > 3 or int(prefix) > bits or (prefix[0] == "0" and prefix != "0"):
        _extension_error("ipaddr")
    return IpAddress(int(parsed), bits, int(prefix))


def _is_in_range(address: Any, network: Any) -> bool:
    a, b = _same(IpAddress, address), _same(IpAddress, network)
    (low, high), (lowest, highest) = a.ends(), b.ends()
    return bool(a.bits == b.bits and lowest <= low and high <= highest)


def _is_loopback(address: Any) -> bool:
    ip = _same(IpAddress, address)
    if ip.bits == 32:
        return bool(ip.address >> 24 == 127 and ip.prefix >= 8)
    return bool(ip.address == 1 and ip.prefix == 128)


def _is_multicast(address: Any) -> bool:
    ip = _same(IpAddress, address)
    if ip.bits == 32:
        return bool(ip.address >> 28 == 0xE and ip.prefix >= 4)
    return bool(ip.address >> 120 == 0xFF and ip.prefix >= 8)


_DATETIME = (
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?(?:Z|([+-])([0-9]{2})([0-9]{2})))?"
)
_DURATION = r"(-?)(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?"
_UNITS_MS = (_DAY_MS, 3_600_000, 60_000, 1_000, 1)


def _datetime(text: Any) -> Datetime:
    match = re.fullmatch(_DATETIME, _text(text))
    if match is None:
        _extension_error("datetime")
    year, month, day, hour, minute, second, milli = (int(part or 0) for part in match.groups()[:7])
    offset_hours, offset_minutes = int(match[9] or 0), int(match[10] or 0)
    if not 1 <= month <= 12 or not 1 <= day <= _days_in(year, month) or hour > 23 or minute > 59 or second > 59:
        _extension_error("datetime")
    if offset_hours > 23 or offset_minutes > 59:
        _extension_error("datetime")
    offset_ms = (offset_hours * 60 + offset_minutes) * 60_000 * (-1 if match[8] == "-" else 1)
    within = ((hour * 60 + minute) * 60 + second) * 1_000 + milli
    return Datetime(_days_since_epoch(year, month, day) * _DAY_MS + within - offset_ms)


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days_since_epoch(year: int, month: int, day: int) -> int:
    """Proleptic Gregorian, the year 0 included, which `datetime.date` lacks."""
    # Years that begin in March, so that the leap day is a year's last.
    years = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return years * 365 + years // 4 - years // 100 + years // 400 + day_of_year - 719_468


def _duration(text: Any) -> Duration:
    match = re.fullmatch(_DURATION, _text(text))
    if match is None or len(text) > 200 or not any(match.groups()[1:]):
        _extension_error("duration")
    total = sum(int(part) * unit for part, unit in zip(match.groups()[1:], _UNITS_MS, strict=True) if part)
    return Duration(-total if match[1] else total)


def _to_date(moment: Any) -> Datetime:
    number = _same(Datetime, moment).number
    return Datetime(number - number % _DAY_MS)


def _toward_zero(unit_ms: int) -> Callable[[Any], int]:
    def whole(span: Any) -> int:
        number = _same(Duration, span).number
        return int(number // unit_ms if number >= 0 else -(-number // unit_ms))

    return whole


CALLS: dict[str, Callable[..., Any]] = {
    "decimal": _decimal,
    "lessThan": lambda a, b: _same(Decimal, a).number < _same(Decimal, b).number,
    "lessThanOrEqual": lambda a, b: _same(Decimal, a).number <= _same(Decimal, b).number,
    "greaterThan": lambda a, b: _same(Decimal, a).number > _same(Decimal, b).number,
    "greaterThanOrEqual": lambda a, b: _same(Decimal, a).number >= _same(Decimal, b).number,
    "ip": _ip,
    "isIpv4": lambda a: _same(IpAddress, a).bits == 32,
    "isIpv6": lambda a: _same(IpAddress, a).bits == 128,
    "isLoopback": _is_loopback,
    "isMulticast": _is_multicast,
    "isInRange": _is_in_range,
    "datetime": _datetime,
    "duration": _duration,
    "offset": lambda a, b: Datetime(_same(Datetime, a).number + _same(Duration, b).number),
    "durationSince": lambda a, b: Duration(_same(Datetime, a).number - _same(Datetime, b).number),
    "toDate": _to_date,
    "toTime": lambda a: Duration(_same(Datetime, a).number % _DAY_MS),
    "toMilliseconds": _toward_zero(1),
    "toSeconds": _toward_zero(1_000),
    "toMinutes": _toward_zero(60_000),
    "toHours": _toward_zero(3_600_000),
    "toDays": _toward_zero(_DAY_MS),
}
"""The function of each extension call, by the name that Cedar gives it. Each raises Fault."""
