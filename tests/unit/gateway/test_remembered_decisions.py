"""Outcomes are remembered only where nothing that policies read can have changed."""

from dataclasses import replace

from tests.unit.calls import a_call, a_principal
from tests.unit.systems import a_stage, completion
from triskel.errors import PolicyDenied
from triskel.model.units import EpochMs
from triskel.policy.bundle import bundle_hash, compile_bundle, load_bundle
from triskel.policy.cedar.source_text import Source
from triskel.policy.packs import load_pack, schema_source

OFFICE_HOURS = """
@id("hours.open")
permit (principal, action == Triskel::Action::"chat", resource)
when { context.hour_utc >= 8 && context.hour_utc < 18 };
"""
CHEAP_ONLY = """
@id("cheap.only")
permit (principal, action == Triskel::Action::"chat", resource)
when { context.cost_estimate < 1500 };
"""


def use(stage, text: str):
    document = compile_bundle([Source("test.cedar", text)], schema_source())
    stage.system.policies.replace(load_pack("platform"), load_bundle(document, bundle_hash(document)))


def call_at(stage, hour: int, **fields):
    at = EpochMs(stage.clock.now_ms() // 86_400_000 * 86_400_000 + hour * 3_600_000)
    return a_call(received_at_ms=at, deadline_ms=EpochMs(stage.clock.now_ms() + 60_000), **fields)


async def permitted(stage, call) -> bool:
    try:
        await stage.gateway.answer(call, stage.inference)
    except PolicyDenied:
        return False
    return True


async def test_the_shipped_policies_are_steady_and_others_need_not_be():
    stage = await a_stage()
    assert stage.system.policies.layers("acme").steady
    use(stage, OFFICE_HOURS)
    assert not stage.system.policies.layers("acme").steady


async def test_the_time_is_looked_at_again():
    stage = await a_stage(*[completion()] * 3)
    use(stage, OFFICE_HOURS)
    assert [await permitted(stage, call_at(stage, hour)) for hour in (9, 20, 9, 3, 17)] == [True, False, True, False, True]


async def test_the_cost_is_looked_at_again():
    stage = await a_stage(completion())
    use(stage, CHEAP_ONLY)
    body = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
    costs = [await permitted(stage, call_at(stage, 9, payload={**body, "max_tokens": tokens})) for tokens in (10, 1_000)]
    assert costs == [True, False]


async def test_another_principal_is_another_question():
    stage = await a_stage(*[completion()] * 4)
    use(
        stage,
        '@id("ada.only") permit (principal == Triskel::User::"ada", action == Triskel::Action::"chat", resource);',
    )
    for _ in range(2):
        assert await permitted(stage, call_at(stage, 9))
        assert not await permitted(stage, call_at(stage, 9, principal=a_principal(principal_id="eve")))
        assert not await permitted(stage, replace(call_at(stage, 9), principal=a_principal(kind="service")))


async def test_what_is_found_is_another_question():
    stage = await a_stage(*[completion()] * 4)
    for _ in range(2):
        assert await permitted(stage, call_at(stage, 9))
        from triskel.providers.chat import chat_parts

        body = {"model": "small", "messages": [{"role": "user", "content": "key AKIAQYLPMN5HFIQR7XYA"}]}
        assert not await permitted(stage, replace(call_at(stage, 9), payload=body, parts=chat_parts(body)))
