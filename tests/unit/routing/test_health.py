"""The breaker, the set-aside and the measurements of a deployment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.routing.catalogs import deployment, signal

from triskel.model.route import AttemptOutcome
from triskel.model.units import DurationMs
from triskel.routing.health import Breaker, Health, HealthRules

OK, FAULT, TIMEOUT = AttemptOutcome.OK, AttemptOutcome.FAULT, AttemptOutcome.TIMEOUT
THROTTLED, REJECTED, CANCELLED = AttemptOutcome.THROTTLED, AttemptOutcome.REJECTED, AttemptOutcome.CANCELLED
T0 = 1_800_000_000_000


@pytest.fixture
def health():
    return Health([deployment("a", first_token_ms=400), deployment("b")], lambda: 0.0)


def see(health, *outcomes, at_ms=T0, latency_ms=100, **more):
    for outcome in outcomes:
        health.observe(signal("a", outcome, at_ms, latency_ms=latency_ms, **more))


def breaker(health, at_ms):
    return health.state("a", at_ms).breaker


def test_it_opens_after_five_faults_in_a_row_and_not_before(health):
    see(health, FAULT, TIMEOUT, FAULT, FAULT)
    assert health.try_probe("a", T0)
    see(health, FAULT)
    assert breaker(health, T0) is Breaker.OPEN
    assert not health.try_probe("a", T0)
    assert health.wait_ms("a", T0) == 1_000
    assert health.try_probe("b", T0), "and only for itself"


def test_a_success_between_starts_the_count_again(health):
    see(health, FAULT, FAULT, FAULT, FAULT, OK, FAULT, FAULT, FAULT, FAULT)
    assert breaker(health, T0) is Breaker.CLOSED


def test_it_opens_when_half_of_enough_recent_calls_fail(health):
    see(health, *[OK, FAULT] * 4, OK)
    assert breaker(health, T0) is Breaker.CLOSED
    see(health, FAULT)
    assert breaker(health, T0) is Breaker.OPEN


def test_old_faults_do_not_count(health):
    see(health, *[OK, FAULT] * 4, OK)
    see(health, OK, FAULT, OK, FAULT, at_ms=T0 + 150_000)
    assert breaker(health, T0 + 150_000) is Breaker.CLOSED


def test_rejections_throttling_and_cancellation_are_not_faults(health):
    see(health, *[REJECTED, CANCELLED] * 50)
    assert breaker(health, T0) is Breaker.CLOSED
    assert health.try_probe("a", T0)
    see(health, *[THROTTLED] * 50)
    assert breaker(health, T0) is Breaker.CLOSED


def test_half_open_lets_one_through_and_its_success_closes(health):
    see(health, *[FAULT] * 5)
    assert breaker(health, T0 + 999) is Breaker.OPEN
    assert breaker(health, T0 + 1_000) is Breaker.HALF_OPEN
    assert [health.try_probe("a", T0 + 1_000) for _ in range(5)] == [True, False, False, False, False]
    see(health, OK, at_ms=T0 + 1_100)
    assert breaker(health, T0 + 1_100) is Breaker.CLOSED
    assert all(health.try_probe("a", T0 + 1_100) for _ in range(5))


def test_a_failed_probe_doubles_the_open_time_up_to_a_bound(health):
    see(health, *[FAULT] * 5)
    now_ms, waits = T0, []
    for _ in range(8):
        waits.append(health.wait_ms("a", now_ms))
        now_ms += waits[-1]
        assert health.try_probe("a", now_ms)
        see(health, FAULT, at_ms=now_ms, latency_ms=0)
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]


def test_after_a_success_the_open_time_starts_small_again_and_old_faults_are_forgiven(health):
    see(health, *[FAULT] * 5)
    for at_ms in (T0 + 1_000, T0 + 3_000):
        assert health.try_probe("a", at_ms)
        see(health, FAULT, at_ms=at_ms, latency_ms=0)
    assert health.try_probe("a", T0 + 7_000)
    see(health, OK, FAULT, at_ms=T0 + 7_000)
    assert breaker(health, T0 + 7_000) is Breaker.CLOSED
    see(health, *[FAULT] * 4, at_ms=T0 + 7_000)
    assert health.wait_ms("a", T0 + 7_000) == 1_000


def test_the_late_end_of_an_earlier_call_is_not_the_probe(health):
    """A call that hung since before the breaker opened says nothing about now."""
    see(health, *[FAULT] * 5)
    see(health, TIMEOUT, at_ms=T0 + 1_500, latency_ms=60_000)
    assert breaker(health, T0 + 1_500) is Breaker.HALF_OPEN
    assert health.try_probe("a", T0 + 1_500)
    see(health, TIMEOUT, at_ms=T0 + 1_600, latency_ms=60_000)
    see(health, CANCELLED, at_ms=T0 + 1_600, latency_ms=60_000)
    assert not health.try_probe("a", T0 + 1_600), "the probe is still out"
    see(health, OK, at_ms=T0 + 1_700)
    assert breaker(health, T0 + 1_700) is Breaker.CLOSED


def test_a_late_success_while_it_is_open_does_not_close_it(health):
    see(health, *[FAULT] * 5)
    see(health, OK, at_ms=T0 + 500)
    assert breaker(health, T0 + 500) is Breaker.OPEN


@pytest.mark.parametrize("outcome", [CANCELLED, REJECTED])
def test_a_probe_that_proves_nothing_makes_room_for_the_next(health, outcome):
    see(health, *[FAULT] * 5)
    assert health.try_probe("a", T0 + 1_000)
    see(health, outcome, at_ms=T0 + 1_200, latency_ms=200)
    assert breaker(health, T0 + 1_200) is Breaker.HALF_OPEN
    assert health.try_probe("a", T0 + 1_200)


def test_a_probe_that_is_never_heard_of_again_is_given_up(health):
    see(health, *[FAULT] * 5)
    assert health.try_probe("a", T0 + 1_000)
    assert not health.try_probe("a", T0 + 60_999)
    assert health.try_probe("a", T0 + 61_000)


def test_retry_after_sets_aside_without_opening(health):
    see(health, THROTTLED, retry_after_ms=20_000)
    assert (breaker(health, T0), health.wait_ms("a", T0)) == (Breaker.CLOSED, 20_000)
    see(health, OK, at_ms=T0 + 1_000)
    assert not health.try_probe("a", T0 + 19_999), "the provider's word holds, whatever else succeeds"
    assert health.try_probe("a", T0 + 20_000)
    assert health.unwell == set()


def test_an_earlier_retry_after_does_not_shorten_a_later_one(health):
    see(health, THROTTLED, retry_after_ms=20_000)
    see(health, THROTTLED, retry_after_ms=1_000)
    assert health.wait_ms("a", T0) == 20_000


@pytest.mark.parametrize("nonsense", [10**15, 120_001])
def test_an_absurd_retry_after_is_bounded(health, nonsense):
    see(health, THROTTLED, retry_after_ms=nonsense)
    assert health.wait_ms("a", T0) == 120_000


def test_throttling_without_a_time_backs_off(health):
    waits = []
    now_ms = T0
    for retry_after_ms in (0, -5, 0, 0, 0, 0, 0):
        see(health, THROTTLED, at_ms=now_ms, retry_after_ms=retry_after_ms)
        waits.append(health.wait_ms("a", now_ms))
        now_ms += waits[-1]
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]


def test_a_probe_that_is_throttled_waits_and_probes_again(health):
    see(health, *[FAULT] * 5)
    assert health.try_probe("a", T0 + 1_000)
    see(health, THROTTLED, at_ms=T0 + 1_100, retry_after_ms=5_000)
    assert not health.try_probe("a", T0 + 6_099)
    assert [health.try_probe("a", T0 + 6_100) for _ in range(3)] == [True, False, False]


def test_jitter_spreads_instances_and_comes_from_outside():
    def wait(fraction):
        health = Health([deployment("a")], lambda: fraction)
        see(health, *[FAULT] * 5)
        return health.wait_ms("a", T0)

    assert [wait(0.0), wait(0.5), wait(0.999)] == [1_000, 1_250, 1_499]


def test_a_clock_set_back_does_not_keep_anything_shut(health):
    see(health, *[FAULT] * 5)
    see(health, THROTTLED, retry_after_ms=60_000)
    an_hour_before = T0 - 3_600_000
    assert health.try_probe("a", an_hour_before)
    see(health, OK, at_ms=an_hour_before, latency_ms=100)
    assert breaker(health, an_hour_before) is Breaker.CLOSED
    assert health.expected_ms("a", an_hour_before) < 400


def test_others_clocks_and_old_news_do_no_harm(health):
    for _ in range(20):
        health.observe(signal("a", FAULT, T0 - 400_000), now_ms=T0)
    assert breaker(health, T0) is Breaker.CLOSED
    health.observe(signal("a", THROTTLED, T0 + 10_000_000, retry_after_ms=1_000), now_ms=T0)
    assert health.wait_ms("a", T0) == 1_000


def test_the_outcome_of_anothers_probe_counts_but_does_not_end_ours(health):
    see(health, *[FAULT] * 5)
    assert health.try_probe("a", T0 + 1_000)
    for outcome in (CANCELLED, REJECTED):
        health.observe(signal("a", outcome, T0 + 1_100, latency_ms=10), now_ms=T0 + 1_100)
    assert not health.try_probe("a", T0 + 1_100)
    health.observe(signal("a", OK, T0 + 1_200), now_ms=T0 + 1_200)
    assert breaker(health, T0 + 1_200) is Breaker.CLOSED


def test_nothing_is_learnt_of_strangers(health):
    for number in range(1_000):
        health.observe(signal(f"stranger-{number}", FAULT, T0))
    assert len(health._tracks) == 2
    assert health.unwell == set()


def test_without_measurements_the_catalog_is_believed(health):
    assert health.expected_ms("a", T0) == 400
    assert health.state("a", T0).measured == 0


def test_measurements_move_the_expectation_and_are_forgotten(health):
    see(health, *[OK] * 20, latency_ms=2_000)
    assert 1_900 < health.expected_ms("a", T0) < 2_000
    later = [health.expected_ms("a", T0 + minutes * 60_000) for minutes in range(1, 12)]
    assert later == sorted(later, reverse=True)
    assert later[-1] == pytest.approx(400, rel=0.02)
    state = health.state("a", T0)
    assert (state.measured, state.first_token_ms, state.fault_share) == (20, 1_924, 0)


def test_recent_measurements_weigh_more_in_whatever_order_they_come(health):
    see(health, *[OK] * 10, latency_ms=3_000)
    see(health, *[OK] * 10, at_ms=T0 + 60_000, latency_ms=200)
    in_order = health.expected_ms("a", T0 + 60_000)
    assert in_order < 1_000
    other = Health([deployment("a", first_token_ms=400)], lambda: 0.0)
    see(other, *[OK] * 10, at_ms=T0 + 60_000, latency_ms=200)
    see(other, *[OK] * 10, latency_ms=3_000)
    assert other.expected_ms("a", T0 + 60_000) == pytest.approx(in_order)


def test_faults_make_the_expectation_longer_and_a_quick_fault_is_not_a_quick_answer(health):
    see(health, *[OK] * 8, latency_ms=400)
    see(health, FAULT, FAULT, latency_ms=1)
    assert health.expected_ms("a", T0) == pytest.approx(400 / (1 - 2 / 11))


@given(latencies=st.lists(st.integers(0, 10**9), max_size=30))
@settings(max_examples=50, deadline=None)
def test_the_expectation_stays_within_what_was_seen(latencies):
    health = Health([deployment("a", first_token_ms=400)], lambda: 0.0)
    for latency_ms in latencies:
        see(health, OK, latency_ms=latency_ms)
    assert min([*latencies, 400]) - 1e-6 <= health.expected_ms("a", T0) <= max([*latencies, 400]) * (1 + 1e-9)


RULES = HealthRules(consecutive_faults=3, probe_ttl_ms=DurationMs(10_000))


class BreakerMachine(RuleBasedStateMachine):
    """Callers that ask, send, succeed, fail, hang and vanish, in any order, while time passes."""

    @initialize(fraction=st.floats(0, 1, exclude_max=True))
    def begin(self, fraction):
        self.now_ms = T0
        self.health = Health([deployment("a")], lambda: fraction, RULES)
        self.out = []  # when each attempt that is under way began
        self.probe_at_ms = None
        self.in_a_row = 0

    @rule(ms=st.integers(0, 3_000))
    def time_passes(self, ms):
        self.now_ms += ms

    @rule()
    def call(self):
        state = breaker(self.health, self.now_ms)
        waits = self.health.wait_ms("a", self.now_ms)
        went = self.health.try_probe("a", self.now_ms)
        assert went == (waits == 0), "what is said to wait is not sent"
        if state is Breaker.OPEN:
            assert not went
        if state is Breaker.HALF_OPEN and went:
            probe_is_out = self.probe_at_ms is not None and self.now_ms - self.probe_at_ms < RULES.probe_ttl_ms
            assert not probe_is_out, "never more than one probe"
            self.probe_at_ms = self.now_ms
        if went:
            self.out.append(self.now_ms)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=st.sampled_from([OK, FAULT, TIMEOUT, THROTTLED, REJECTED, CANCELLED]))
    def attempt_ends(self, data, outcome):
        begun_ms = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        before = breaker(self.health, self.now_ms)
        see(self.health, outcome, at_ms=self.now_ms, latency_ms=self.now_ms - begun_ms, retry_after_ms=500)
        after = breaker(self.health, self.now_ms)
        if self.probe_at_ms is not None and begun_ms >= self.probe_at_ms - 10:
            self.probe_at_ms = None
        if outcome is OK:
            self.in_a_row = 0
            assert after is before if before is Breaker.OPEN else after is Breaker.CLOSED, "a success closes"
        elif outcome in (FAULT, TIMEOUT):
            self.in_a_row += 1
            if before is Breaker.CLOSED and self.in_a_row >= 3:
                assert after is Breaker.OPEN, "opens after N"
        else:
            assert after is before
        if after is not Breaker.HALF_OPEN:
            self.probe_at_ms = None

    @rule()
    def an_attempt_vanishes(self):
        if self.out:
            self.out.pop()

    @invariant()
    def never_stuck(self):
        """Within the longest open time, the longest probe and the longest set-aside, somebody may try again."""
        if hasattr(self, "health"):
            assert self.health.wait_ms("a", self.now_ms + 45_000 + 10_000) == 0
            assert self.health.wait_ms("a", self.now_ms) <= 45_000


BreakerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBreaker = BreakerMachine.TestCase


@given(outcomes=st.lists(st.tuples(st.sampled_from(list(AttemptOutcome)), st.integers(0, 2_000)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_same_signals_make_the_same_state(outcomes):
    """No hidden clock, no hidden chance."""

    def run():
        health = Health([deployment("a")], lambda: 0.25)
        now_ms = T0
        for outcome, ms in outcomes:
            now_ms += ms
            see(health, outcome, at_ms=now_ms)
        return health.state("a", now_ms), health.expected_ms("a", now_ms)

    assert run() == run()
