"""The compiled evaluator against the reference implementation, on policies and requests drawn at random.

`TRISKEL_CEDAR_EXAMPLES=20000` draws as many.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.policy.cedar import generated
from tests.unit.policy.cedar.oracle import ours, theirs

EXAMPLES = int(os.environ.get("TRISKEL_CEDAR_EXAMPLES", "120"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(generated.policy_sets, st.lists(generated.requests(), min_size=1, max_size=3))
def test_decides_as_cedar_does(policies, requests):
    """Decision, determining policies and erring policies are Cedar's, whatever is missing or of a wrong type."""
    assert ours(policies, requests) == theirs(policies, requests)
