"""Outcomes are remembered only where nothing that policies read can have changed."""

from dataclasses import replace

from tests.unit.calls import a_call, a_principal
from tests.unit.systems import a_stage, completion, deployment

from triskel.errors import PolicyDenied
from triskel.model.units import EpochMs
from triskel.policy.bundle import bundle_hash, compile_bundle, load_bundle
from triskel.policy.cedar.source import Source
from triskel.policy.packs import load_pack, schema_source
from triskel.policy.publishing.owners import TENANT_DEFAULT
from triskel.policy.verdict import Layers
from triskel.ports.store import StoredBundle
from triskel.providers.chat import chat_parts

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


async def use(stage, text: str):
    """Publish a tenant's policies and take them into use."""
    document = compiled(text)
    name = bundle_hash(document)
    await stage.store.put_bundle(StoredBundle(owner=TENANT_DEFAULT, bundle_hash=name, document=document, published_at_ms=0))
    await stage.store.activate_bundle(TENANT_DEFAULT, name, 1)
    await stage.system.load_policies()


def compiled(text: str) -> bytes:
    return compile_bundle([Source("test.cedar", text)], schema_source())


def call_at(stage, hour: int, **fields):
    at = EpochMs(stage.clock.now_ms() // 86_400_000 * 86_400_000 + hour * 3_600_000)
    return a_call(received_at_ms=at, deadline_ms=EpochMs(stage.clock.now_ms() + 60_000), **fields)


async def permitted(stage, call) -> bool:
    try:
        await stage.gateway.answer(call, stage.inference)
    except PolicyDenied:
        return False
    return True


def test_the_shipped_policies_are_steady_and_others_need_not_be():
    platform, document = load_pack("platform"), compiled(OFFICE_HOURS)
    assert Layers(platform, load_pack("default")).steady
    assert not Layers(platform, load_bundle(document, bundle_hash(document))).steady


async def test_the_time_is_looked_at_again():
    stage = await a_stage(*[completion()] * 3)
    await use(stage, OFFICE_HOURS)
    assert [await permitted(stage, call_at(stage, hour)) for hour in (9, 20, 9, 3, 17)] == [True, False, True, False, True]


async def test_the_cost_is_looked_at_again():
    stage = await a_stage(completion())
    await use(stage, CHEAP_ONLY)
    body = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
    costs = [await permitted(stage, call_at(stage, 9, payload={**body, "max_tokens": tokens})) for tokens in (10, 1_000)]
    assert costs == [True, False]


async def test_another_principal_is_another_question():
    stage = await a_stage(*[completion()] * 4)
    await use(
        stage,
        '@id("ada.only") permit (principal == Triskel::User::"ada", action == Triskel::Action::"chat", resource);',
    )
    for _ in range(2):
        assert await permitted(stage, call_at(stage, 9))
        assert not await permitted(stage, call_at(stage, 9, principal=a_principal(principal_id="eve")))
        assert not await permitted(stage, replace(call_at(stage, 9), principal=a_principal(kind="service")))


async def test_a_request_that_cannot_be_judged_is_forgotten():
    """An estimate too large for Cedar's numbers denies its own call and no other."""
    body = {"model": "small", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 10**18}
    config = {"deployments": [deployment(max_output=10**18, context_window=10**19, price={"input": 9_000, "output": 9_000})]}
    stage = await a_stage(completion(), config=config)
    assert not await permitted(stage, call_at(stage, 9, payload=body))
    assert await permitted(stage, call_at(stage, 9, payload={**body, "max_tokens": 10}))


async def test_what_is_found_is_another_question():
    stage = await a_stage(*[completion()] * 4)
    for _ in range(2):
        assert await permitted(stage, call_at(stage, 9))
        body = {"model": "small", "messages": [{"role": "user", "content": "key AKIAQYLPMN5HFIQR7XYA"}]}
        assert not await permitted(stage, replace(call_at(stage, 9), payload=body, parts=chat_parts(body)))
