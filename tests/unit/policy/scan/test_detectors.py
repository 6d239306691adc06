"""Every detector finds what its file says it finds and nothing of what it says it passes, on every engine."""

import pytest
from tests.unit.policy.scan.conftest import examples

from triskel.model.call import Surface
from triskel.policy.scan.scanner import Scanner

STRONGEST = Surface.TOOL_ARGUMENT


@pytest.mark.parametrize(("kind", "text"), examples("match"))
def test_an_example_is_found(scanner: Scanner, kind: str, text: str) -> None:
    assert kind in {finding.type for finding in scanner.scan(text, STRONGEST).findings}


@pytest.mark.parametrize(("kind", "text"), examples("pass"))
def test_a_counter_example_is_passed(scanner: Scanner, kind: str, text: str) -> None:
    assert kind not in {finding.type for finding in scanner.scan(text, STRONGEST).findings}
