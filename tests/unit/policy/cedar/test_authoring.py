"""Publishing: what is wrong is said with file, line and column, all at once."""

import pytest

from triskel.errors import ConfigurationInvalid
from triskel.policy.bundle import bundle_hash, compile_bundle, load_bundle, origins
from triskel.policy.cedar.authoring import format_source
from triskel.policy.cedar.source import Source
from triskel.policy.packs import schema_source
from triskel.policy.tool_arguments import declare_tools

HEAD = 'permit (principal, action == Triskel::Action::"chat", resource)'


def faults(text, schema=None, **options):
    """The lines of the refusal."""
    with pytest.raises(ConfigurationInvalid) as refusal:
        compile_bundle([Source("p.cedar", text)], schema or schema_source(), **options)
    return list(refusal.value.faults)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("// note\n@id(\"a\")\npermit (principal, action", "p.cedar:3:26: unexpected end of input"),
        (f'@id("a") {HEAD}\nwhen {{ context.tier === "x" }};', "p.cedar:2:23: unexpected token `=`"),
        ('@id("a")\npermit (principal, action, resourc);', "p.cedar:2:28: found an invalid variable in the policy scope: resourc"),
        (f'@id("a") {HEAD}\nwhen {{ context.foo(1) }};', "p.cedar:2:16: `foo` is not a valid method"),
        (f'@id("a") {HEAD}\nwhen {{ "open }};', "p.cedar:2:8: invalid token"),
        ('@id("a")\npermit (principal == ?principal, action, resource);',
         "p.cedar:1:1: templates (`?principal`, `?resource`) cannot be published: write the entity"),
        ("permit (principal, action, resource);", 'p.cedar:1:1: every policy needs an `@id("…")`'),
        (f'\n@id("A b") {HEAD};', "p.cedar:2:2: `@id` must be lower-case letters, digits, `.`, `_` and `-`, at most 64: `A b` is not"),
        (f'@id("a")\n@owner("x") {HEAD};',
         "p.cedar:2:2: `@owner` is not an annotation; known are @id, @mode, @obligation, @approval, @severity, @description"),
        (f'@id("a") @mode("dry") {HEAD};', "p.cedar:1:11: `@mode` must be one of enforce, shadow, not `dry`"),
        (f'@id("a") @mode {HEAD};', "p.cedar:1:11: `@mode` must have a text of 1 to 1000 characters"),
        (f'@id("a") @severity("x") {HEAD};', "p.cedar:1:11: `@severity` must be one of low, medium, high, critical, not `x`"),
        (f'@id("a") @approval("a b") {HEAD};',
         "p.cedar:1:11: `@approval` must name teams by letters, digits, `.`, `_` and `-`, at most 64: `a b` is not one"),
        ('@id("a") @approval("x") forbid (principal, action, resource);',
         "p.cedar:1:11: `@approval` stands on permits only: a forbid denies"),
        (f'@id("a") @obligation("redact:pi") {HEAD};',
         "p.cedar:1:11: `@obligation` can redact pii, payment, secret, sql_injection, shell, prompt_injection, not `pi`"),
        (f'@id("a") @obligation("log:x") {HEAD};',
         "p.cedar:1:11: `@obligation` holds `log:x`: write `redact:<data class>`, `warn:<text>` or `record:content`"),
        (f'@id("a") {HEAD};\n@id("a") {HEAD};', "p.cedar:2:5: `@id` `a` is taken by p.cedar:1"),
        (f'@id("a") {HEAD}\nwhen {{ context.stage == "input" &&\n context.budget_left > 5 }};',
         "p.cedar:3:10: unable to guarantee safety of access to optional attribute `budget_left` in context for Triskel::Action::\"chat\" (ask with `has` before it is read)"),
        (f'@id("a") {HEAD}\nwhen {{ true }}\nunless {{ context.tier == "x" ||\n  context.finding_count == "x" }};',
         "p.cedar:4:3: the types Long and String are not compatible"),
        (f'@id("a") {HEAD}\nwhen {{ context.stage == "x" || context.finding_count == "x" }};',
         "p.cedar:2:8: the types Long and String are not compatible"),
        (f'@id("a") {HEAD} when {{ {"(" * 60}true{")" * 60} }};', "p.cedar:1:1: more than 48 brackets are open at once"),
        (f'@id("a") {HEAD} when {{ true{" && true" * 301} }};', "p.cedar:1:1: the policy has more than 300 operators"),
        (f'@id("a") {HEAD} when {{ true{" && true" * 6000} }};', "p.cedar:1:1: the policy has more than 5000 words and marks"),
        (f'@id("a") {HEAD} when {{ {"if true then " * 40}true{" else true" * 40} }};',
         "p.cedar:1:1: a condition is nested more than 32 levels deep"),
        (f'\n@id("platform.a") {HEAD};', "p.cedar:2:1: `platform.a`: ids with `platform.` are the platform's"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_where(text, fault):
    """File, line, column, and words for the author."""
    assert faults(text) == [fault]


def test_says_all_that_is_wrong():
    """Every fault of every file, in order."""
    found = faults(f'@id("a")\n{HEAD} when {{ context.tier = 1 }};\n@id("b")\npermit (principal, actio, resource);')
    assert [line.partition(": ")[0] for line in found] == ["p.cedar:2:72", "p.cedar:4:20"]


def test_a_head_that_fits_nothing_is_refused():
    """An action or an entity type that the schema does not have."""
    found = faults('@id("a")\npermit (principal is Triskel::Usr, action == Triskel::Action::"fly", resource);')
    assert any(line.startswith("p.cedar:2:31: unrecognized entity type `Triskel::Usr`") for line in found)
    assert any(line.startswith('p.cedar:2:63: unrecognized action `Triskel::Action::"fly"`') for line in found)


def test_the_platform_keeps_its_names():
    """A platform's policy is recognised by its id in every record."""
    assert faults(f'@id("a") {HEAD};', layer="platform") == ["p.cedar:1:1: `a`: ids without `platform.` are for tenants"]


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ("namespace T {\n  entity U in Foo;\n}", "s.cedarschema:2:15: failed to resolve type: Foo"),
        ("namespace T {\n  entit U;\n}", "s.cedarschema:2:3: error parsing schema: unexpected token `entit`"),
    ],
)
def test_a_wrong_schema_is_refused(schema, fault):
    """With its place."""
    assert faults(f'@id("a") {HEAD};', Source("s.cedarschema", schema)) == [fault]


def test_formatting_keeps_the_meaning():
    """The formatter's text compiles to the same conditions; what does not parse is refused."""
    text = f'// why\n@id("a") {HEAD} when {{ context.tier=="x"&&context.stage=="input" }};'
    again = format_source(text)
    assert "// why" in again
    assert format_source(again) == again
    conditions = [_loaded(source).evaluator.policies[0].conditions for source in (text, again)]
    assert [c.expression for c in conditions[0]] == [c.expression for c in conditions[1]]
    with pytest.raises(ConfigurationInvalid):
        format_source("permit (")


def _loaded(text, schema=None):
    document = compile_bundle([Source("p.cedar", text)], schema or schema_source())
    return load_bundle(document, bundle_hash(document))


def test_origins_are_kept_for_people():
    """Which file, which line, and the policy as it was written."""
    policy = f'@id("b")\n{HEAD};'
    found = origins(_loaded(f'@id("a") {HEAD};\n\n{policy}\n'))
    assert (found["b"].file, found["b"].line, found["b"].text) == ("p.cedar", 3, policy)


def test_declared_tool_arguments_can_be_read():
    """With their types; others cannot."""
    schema = declare_tools(schema_source(), {"pay.refund": {"amount": "Long"}})
    head = '@id("a") permit (principal, action == Triskel::Action::"invoke_tool", resource)'
    guard = 'context has arguments && context.arguments has "pay.refund" && context.arguments["pay.refund"] has amount'
    text = f'{head} when {{ {guard} && context.arguments["pay.refund"].amount < 100 }};'
    assert len(_loaded(text, schema).evaluator.policies) == 1
    assert "amount` in context" in faults(text.replace(" has amount", ".amount == 1"), schema)[0]
    assert "pay.refund" in faults(f'{head} when {{ context has arguments && context.arguments["pay.refund"].amount < 1 }};')[0]
    with pytest.raises(ConfigurationInvalid) as refusal:
        declare_tools(schema_source(), {"t": {"a": "Long}; entity X; type Y = {"}})
    assert refusal.value.faults == ("tool `t`: argument `a` must be one of Bool, Long, String, Set<String>, Set<Long>",)
