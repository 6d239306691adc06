"""Decimals, addresses, datetimes and durations against the reference implementation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.cedar.oracle import ours, theirs

NOBODY = {"type": "User", "id": "a"}


def asked(**context):
    """A request that is about its context only."""
    return {
        "principal": NOBODY,
        "action": {"type": "Action", "id": "read"},
        "resource": NOBODY,
        "context": context,
        "entities": [],
    }


def policies(*conditions):
    """One permit for each condition."""
    return "\n".join(f"permit (principal, action, resource) when {{ {condition} }};" for condition in conditions)


PARSING = policies(
    *(f"{f}(context.a) == {f}(context.a)" for f in ("decimal", "ip", "datetime", "duration")),
    *(f"{f}(context.a) == {f}(context.b)" for f in ("decimal", "ip", "datetime", "duration")),
)
DECIMAL = policies(
    *(
        f"decimal(context.a).{m}(decimal(context.b))"
        for m in ("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")
    ),
    "decimal(context.a) < decimal(context.b)",
)
IP = policies(
    "ip(context.a).isInRange(ip(context.b))", *(f"ip(context.a).{m}()" for m in ("isIpv4", "isIpv6", "isLoopback", "isMulticast"))
)
TIME = policies(
    "datetime(context.a) < datetime(context.b)",
    "datetime(context.a).durationSince(datetime(context.b)) > duration(context.c)",
    "datetime(context.a).offset(duration(context.c)) >= datetime(context.b)",
    "datetime(context.a).toDate() == datetime(context.b).toDate()",
    *(f"datetime(context.a).toTime().{m}() == context.n" for m in ("toMilliseconds", "toMinutes", "toHours")),
    *(f"duration(context.c).{m}() == context.n" for m in ("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays")),
    *(f"duration(context.c).{m}() < 0" for m in ("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays")),
)

digits = st.text("0123456789", max_size=4)
texts = st.one_of(
    st.text("-+0123456789./:abdhms TZ", max_size=12),
    st.tuples(st.sampled_from(("", "-", "+")), digits, digits).map(lambda t: f"{t[0]}{t[1]}.{t[2]}"),
    st.sampled_from(
        (
            "922337203685477.5807",
            "922337203685477.5808",
            "-922337203685477.5808",
            "0.1",
            "-0.0",
            "00.10",
            "1.",
            ".1",
            "1.00000",
            "١.٢",
        )
    ),
)
octets = st.sampled_from((0, 1, 10, 127, 224, 255, 256))
addresses = st.one_of(
    st.tuples(octets, octets, octets, octets, st.sampled_from(("", "/0", "/4", "/8", "/32", "/33", "/08", "/", "/a"))).map(
        lambda t: ".".join(map(str, t[:4])) + t[4]
    ),
    st.tuples(
        st.sampled_from(
            (
                "::",
                "::1",
                "1::",
                "ff00::",
                "fe80::1%1",
                "1:2:3:4:5:6:7:8",
                "1:2:3:4:5:6:7::",
                "::ffff:1.2.3.4",
                "12345::",
                "1:2",
                "A::b",
            )
        ),
        st.sampled_from(("", "/0", "/8", "/127", "/128", "/129", "/1280")),
    ).map("".join),
    st.sampled_from(("127.0.0.01", "1.2.3", " 1.2.3.4", "", "/8")),
)
datetimes = st.one_of(
    st.tuples(
        st.sampled_from(("0000", "0001", "1969", "1970", "2000", "2023", "2024", "9999")),
        st.sampled_from(("00", "01", "02", "12", "13")),
        st.sampled_from(("00", "01", "28", "29", "30", "31", "32")),
        st.sampled_from(("", "T00:00:00Z", "T23:59:59.999Z", "T24:00:00Z", "T10:00:60Z", "T10:00:00.5Z", "T10:00:00+0130", "T10:00:00.123-2359",
                         "T10:00:00+2400", "T10:00:00-0060", "T10:00:00", "t10:00:00z")),
    ).map(lambda t: f"{t[0]}-{t[1]}-{t[2]}{t[3]}"),
    st.sampled_from(("2024-1-1", "24-01-01", "2024-01-01Z", "2024-01-01 ")),
)  # fmt: skip
durations = st.one_of(
    st.tuples(
        st.sampled_from(("", "-")),
        *(st.sampled_from(("", f"0{unit}", f"1{unit}", f"36{unit}", f"007{unit}")) for unit in ("d", "h", "m", "s", "ms")),
    ).map("".join),
    st.sampled_from(
        ("9223372036854775807ms", "9223372036854775808ms", "-9223372036854775808ms", "106751991167d", "106751991168d", "1s1m", "1h 1m",
         "-", "", "1", "99999999999999999999d", "99999999999999999999999ms")
    ),
)  # fmt: skip
values = st.one_of(texts, addresses, datetimes, durations)
numbers = st.sampled_from((0, 1, 24, -1, 60, 86_399_999, 36_000_000, 600, 10))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=10))
def test_reads_what_cedar_reads(pairs):
    """The same texts are values, and the same texts are equal."""
    requests = [asked(a=a, b=b) for a, b in pairs]
    assert ours(PARSING, requests) == theirs(PARSING, requests)


@pytest.mark.parametrize(("text", "kind"), [(DECIMAL, texts), (IP, addresses)], ids=["decimal", "ip"])
def test_compares_as_cedar_does(text, kind):
    """Methods of decimals and addresses, `<` on decimals being a type error."""

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(kind, kind), min_size=1, max_size=10))
    def compare(pairs):
        requests = [asked(a=a, b=b) for a, b in pairs]
        assert ours(text, requests) == theirs(text, requests)

    compare()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(datetimes, datetimes, durations, numbers), min_size=1, max_size=10))
def test_reckons_time_as_cedar_does(rows):
    """Differences, offsets, days before 1970 and overflow."""
    requests = [asked(a=a, b=b, c=c, n=n) for a, b, c, n in rows]
    assert ours(TIME, requests) == theirs(TIME, requests)
