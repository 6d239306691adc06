"""Who can answer a request, and what the caller is told when nobody can."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.routing.catalogs import deployment, signal

from triskel.errors import InvalidRequest, ModelNotFound, NoCapacity, PolicyDenied
from triskel.model.route import AttemptOutcome, Cloud
from triskel.routing.candidates import Need, available, feasible
from triskel.routing.catalog import Catalog
from triskel.routing.health import Health

CHAT = frozenset({"chat"})
ROWS = [
    deployment("small", model="m", context_window=1_000, max_output=100),
    deployment("long", model="m", context_window=10_000, max_output=100, cloud=Cloud.GCP),
    deployment("wordy", model="m", context_window=2_000, max_output=1_500, capabilities=frozenset({"chat", "json"})),
]
CATALOG = Catalog(ROWS)


def found(**need):
    return [d.name for d in feasible(CATALOG, Need(**{"model": "auto", "capabilities": CHAT, "input_tokens": 10, **need}))]


@pytest.mark.parametrize(
    ("need", "names"),
    [
        ({}, ["small", "long", "wordy"]),
        ({"model": "long"}, ["long"]),
        ({"capabilities": frozenset({"chat", "tools"})}, ["small", "long"]),
        ({"input_tokens": 900, "max_output": 100}, ["small", "long", "wordy"]),
        ({"input_tokens": 901, "max_output": 100}, ["long", "wordy"]),
        ({"input_tokens": 999}, ["small", "long", "wordy"]),
        ({"input_tokens": 1_000}, ["long", "wordy"]),
        ({"max_output": 101}, ["wordy"]),
        ({"allowed": lambda d: d.cloud == Cloud.GCP}, ["long"]),
    ],
)
def test_the_feasible_are_those_that_can_and_hold_and_may(need, names):
    assert found(**need) == names


@pytest.mark.parametrize(
    ("need", "error", "field", "said"),
    [
        ({"model": "nobody"}, ModelNotFound, "model", "nobody"),
        ({"input_tokens": 10_000}, InvalidRequest, "messages", "10000"),
        ({"model": "small", "input_tokens": 5_000}, InvalidRequest, "messages", "1000"),
        ({"max_output": 1_501}, InvalidRequest, "max_tokens", "1500"),
        ({"input_tokens": 1_900, "max_output": 101}, InvalidRequest, "max_tokens", "100 fit"),
        ({"input_tokens": 9_990, "max_output": 20}, InvalidRequest, "max_tokens", "10 fit"),
        ({"model": "small", "capabilities": frozenset({"chat", "json"})}, InvalidRequest, "response_format", "json"),
        ({"capabilities": frozenset({"chat", "vision"})}, InvalidRequest, "messages", "vision"),
        ({"capabilities": frozenset({"tools", "json"})}, InvalidRequest, "response_format", "tools"),
        ({"capabilities": frozenset({"embed"})}, InvalidRequest, "model", "embed"),
        ({"allowed": lambda d: False}, PolicyDenied, None, "allowed"),
    ],
)
def test_when_nobody_can_the_error_names_what_to_change(need, error, field, said):
    with pytest.raises(error) as caught:
        found(**need)
    assert caught.value.field == field
    assert said in caught.value.message


@given(
    input_tokens=st.integers(0, 12_000),
    max_output=st.none() | st.integers(1, 2_000),
    capabilities=st.sets(st.sampled_from(["chat", "tools", "json", "vision"]), min_size=1).map(frozenset),
)
@settings(max_examples=200, deadline=None)
def test_feasible_agrees_with_its_definition(input_tokens, max_output, capabilities):
    """The short way by the tightest limits finds exactly what a look at every deployment finds."""
    output = max_output or 1
    expected = [
        d for d in ROWS if capabilities <= d.capabilities and input_tokens + output <= d.context_window and output <= d.max_output
    ]
    need = Need(model="auto", capabilities=capabilities, input_tokens=input_tokens, max_output=max_output)
    if expected:
        assert list(feasible(CATALOG, need)) == expected
    else:
        with pytest.raises(InvalidRequest):
            feasible(CATALOG, need)


@pytest.fixture
def health():
    return Health(ROWS, lambda: 0.0)


def fail(health, name, at_ms, times=5):
    for _ in range(times):
        health.observe(signal(name, AttemptOutcome.FAULT, at_ms))


def test_those_with_an_open_breaker_are_not_available(health):
    assert available(ROWS, health, 0) == ROWS
    fail(health, "long", 1_000)
    assert [d.name for d in available(ROWS, health, 1_500)] == ["small", "wordy"]
    assert [d.name for d in available(ROWS, health, 2_000)] == ["small", "long", "wordy"], "half open: may be tried"


def test_no_capacity_says_when_the_first_may_be_tried(health):
    fail(health, "small", 1_000)
    fail(health, "long", 1_400)
    health.observe(signal("wordy", AttemptOutcome.THROTTLED, 1_500, retry_after_ms=7_000))
    with pytest.raises(NoCapacity) as caught:
        available(ROWS, health, 1_600)
    assert caught.value.retry_after_ms == 400
    assert (caught.value.status, caught.value.code) == (503, "no_capacity")
    with pytest.raises(NoCapacity) as caught:
        available([ROWS[2]], health, 1_600)
    assert caught.value.retry_after_ms == 6_900
    assert [d.name for d in available(ROWS, health, 2_000)] == ["small"]


def test_a_deployment_whose_probe_is_out_is_not_available(health):
    fail(health, "small", 1_000)
    assert health.try_probe("small", 2_000)
    with pytest.raises(NoCapacity) as caught:
        available([ROWS[0]], health, 2_001)
    assert 0 < caught.value.retry_after_ms <= 1_000
