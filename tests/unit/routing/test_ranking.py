"""The order of the candidates."""

import timeit
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.routing.catalogs import deployment, signal

from triskel.model.route import AttemptOutcome
from triskel.routing.health import Health
from triskel.routing.ranking import Weights, rank, terms

T0 = 1_800_000_000_000


def ranked(rows, health=None, **options):
    health = health or Health(rows, lambda: 0.0)
    return rank(rows, health, T0, **{"input_tokens": 1_000, "output_tokens": 500, **options})


def order(rows, health=None, **options):
    return [row[4].name for row in ranked(rows, health, **options)]


def test_the_cheaper_of_two_equally_fast_goes_first():
    assert order([deployment("dear", price=(2_000_000, 8_000_000)), deployment("cheap")]) == ["cheap", "dear"]


def test_the_faster_of_two_equally_dear_goes_first():
    assert order([deployment("slow", first_token_ms=900), deployment("quick", first_token_ms=300)]) == ["quick", "slow"]


def test_the_price_that_counts_is_that_of_this_call():
    """Cheap input wins for long prompts, cheap output for long answers."""
    rows = [deployment("reader", price=(100_000, 10_000_000)), deployment("writer", price=(2_000_000, 1_000_000))]
    assert order(rows, input_tokens=10_000, output_tokens=50) == ["reader", "writer"]
    assert order(rows, input_tokens=50, output_tokens=1_000) == ["writer", "reader"]


def test_half_the_price_is_worth_a_first_token_that_takes_2_8_times_as_long():
    """The stated meaning of the default weights."""

    def pair(times):
        slow = int((450 * times) - 50)
        return order(
            [
                deployment("dear", price=(2_000_000_000, 0), first_token_ms=400),
                deployment("cheap", price=(1_000_000_000, 0), first_token_ms=slow),
            ]
        )

    assert pair(2.75)[0] == "cheap"
    assert pair(2.90)[0] == "dear"


def test_a_free_deployment_compares_too():
    assert order([deployment("paid", first_token_ms=100), deployment("free", price=(0, 0), first_token_ms=1_000)])[0] == "free"


def test_weights_decide():
    rows = [deployment("cheap", first_token_ms=3_000), deployment("quick", price=(3_000_000, 12_000_000), first_token_ms=100)]
    assert order(rows, weights=Weights(price=1.0, latency=0.0)) == ["cheap", "quick"]
    assert order(rows, weights=Weights(price=0.0, latency=1.0)) == ["quick", "cheap"]


def test_what_was_measured_lately_counts_instead_of_the_catalog():
    rows = [deployment("a", first_token_ms=300), deployment("b", first_token_ms=400)]
    health = Health(rows, lambda: 0.0)
    assert order(rows, health) == ["a", "b"]
    for _ in range(10):
        health.observe(signal("a", AttemptOutcome.OK, T0, latency_ms=2_000))
    assert order(rows, health) == ["b", "a"]
    assert [row[4].name for row in rank(rows, health, T0 + 600_000, input_tokens=1, output_tokens=1)] == ["a", "b"]


def test_one_that_fails_now_and_then_goes_behind_one_that_does_not():
    rows = [deployment("shaky"), deployment("steady")]
    health = Health(rows, lambda: 0.0)
    for number in range(20):
        for name in ("shaky", "steady"):
            outcome = AttemptOutcome.FAULT if name == "shaky" and number % 3 == 0 else AttemptOutcome.OK
            health.observe(signal(name, outcome, T0, latency_ms=500))
    assert order(rows, health) == ["steady", "shaky"]


def test_equals_keep_their_order():
    rows = [deployment(name) for name in ("c", "a", "b")]
    assert order(rows) == ["c", "a", "b"]


def test_terms_explain_the_score():
    rows = [deployment("a"), deployment("b", price=(5_000_000, 1), first_token_ms=50)]
    found = terms(ranked(rows))
    assert [t.deployment for t in found] == order(rows)
    for t in found:
        assert t.score == pytest.approx(t.price_term + t.latency_term)
    by_name = {t.deployment: t for t in found}
    assert (by_name["a"].cost_micro_usd, by_name["a"].first_token_ms) == (3_000, 500)
    assert by_name["a"].route == "aws/sim/a"


ROWS = st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**8), st.integers(1, 60_000)), min_size=2, max_size=8).map(
    lambda raw: [
        deployment(f"d{number}", price=(into, out), first_token_ms=first) for number, (into, out, first) in enumerate(raw)
    ]
)


@given(rows=ROWS, input_tokens=st.integers(0, 10**6), output_tokens=st.integers(0, 10**5))
@settings(max_examples=100, deadline=None)
def test_no_candidate_goes_behind_one_that_it_beats_in_everything(rows, input_tokens, output_tokens):
    found = ranked(rows, input_tokens=input_tokens, output_tokens=output_tokens)
    assert sorted(row[4].name for row in found) == sorted(d.name for d in rows), "every candidate is there once"
    for ahead, behind in pairwise(found):
        assert not (behind[2] < ahead[2] and behind[3] < ahead[3])


@given(rows=ROWS, data=st.data())
@settings(max_examples=100, deadline=None)
def test_taking_one_away_never_swaps_two_others(rows, data):
    gone = data.draw(st.sampled_from(rows)).name
    assert order([d for d in rows if d.name != gone]) == [name for name in order(rows) if name != gone]


def test_ranking_a_hundred_costs_little():
    """The stated cost is 100 µs; the bound here leaves room for a busy machine."""
    rows = [deployment(f"d{n}", price=(1_000 * n, 5_000 * n)) for n in range(100)]
    health = Health(rows, lambda: 0.0)
    for d in rows:
        health.observe(signal(d.name, AttemptOutcome.OK, T0 - 5_000))
    once = lambda: rank(rows, health, T0, input_tokens=100, output_tokens=100)  # noqa: E731
    assert min(timeit.repeat(once, number=50, repeat=5)) / 50 < 500e-6
