"""The compiled evaluator against the reference implementation, on policies and requests drawn at random.

`TRISKEL_CEDAR_EXAMPLES=20000` draws as many.
"""

import os
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.policy.cedar import generated, operators
from tests.unit.policy.cedar.oracle import each_of_ours, each_of_theirs, ours, theirs

EXAMPLES = int(os.environ.get("TRISKEL_CEDAR_EXAMPLES", "120"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(generated.policy_sets, st.lists(generated.requests(), min_size=1, max_size=3))
def test_decides_as_cedar_does(policies, requests):
    """Decision, determining policies and erring policies are Cedar's, whatever is missing or of a wrong type."""
    assert ours(policies, requests) == theirs(policies, requests)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(st.integers(0, 2**32))
def test_every_operator_is_cedars(seed):
    """Forty conditions on four requests: each holds, fails or errs as Cedar's does."""
    random = Random(seed)
    policies, values = operators.policies(random, 40), operators.Values(random)
    requests = [values.request() for _ in range(4)]
    for request, our, their in zip(requests, each_of_ours(policies, requests), each_of_theirs(policies, requests), strict=True):
        differing = sorted(set(our.determining) ^ set(their.determining) | set(our.errors) ^ set(their.errors))
        assert not differing, (policies.splitlines()[int(differing[0][6:])], request, our, their)
