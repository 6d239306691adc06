"""Chains whose heads do not fit on one page."""

from tests.unit.calls import a_call
from tests.unit.systems import a_stage, completion

from triskel.audit.verify import PAGE
from triskel.model.units import EpochMs


async def test_a_chain_with_more_heads_than_a_page_verifies():
    """Heads beyond the first page are not mistaken for ones that are gone."""
    calls = 2 * PAGE + 3
    stage = await a_stage(*[completion()] * calls)
    now_ms = stage.clock.now_ms()
    call = a_call(received_at_ms=now_ms, deadline_ms=EpochMs(now_ms + 60_000))
    for _ in range(calls):
        await stage.gateway.answer(call, stage.inference)
        await stage.system.sequencer.flush()
    found = await stage.system.verify_audit("acme")
    assert (found.valid, found.entries) == (True, calls)
    assert found.heads >= calls
