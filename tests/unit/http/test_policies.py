"""`/v1/policies…`: a tenant publishes its own policies, where they permit it, and no others."""

import json
from typing import Any

import pytest
from tests.unit.calls import a_principal
from tests.unit.policy.publishing.drafts import NO_LARGE, OPEN, OPERATED, a_document, files
from tests.unit.systems import a_key, a_stage, completion

from triskel.control.authoring import Authoring
from triskel.errors import ConfigurationInvalid
from triskel.model.principal import PrincipalKind
from triskel.policy.bundle import bundle_hash
from triskel.policy.publishing.draft import read_draft

PATHS = ("validate", "format", "test", "diff", "simulate", "publish", "rollback")


class Asked:
    """A tenant's operator at the application."""

    def __init__(self, stage, key):
        self.stage = stage
        self.key = key

    async def __call__(self, method: str, path: str, document: Any = None, *, key: str | None = None, **headers: str):
        """Status, body and headers of a reply."""
        sent: list[dict[str, Any]] = []
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        path, _, query = path.partition("?")
        named = {"host": "127.0.0.1", "authorization": f"Bearer {self.key if key is None else key}", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
        }

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await self.stage.system.application(scope, receive, send)
        head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], json.loads(b"".join(each.get("body", b"") for each in sent[1:])), head

    async def chat(self, model="small"):
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        return await self("POST", "/v1/chat/completions", body)


async def asked(*answers, own: str | None = OPERATED, teams=("operators",), **fields) -> Asked:
    """An operator of `acme`, which has published `own` policies."""
    stage = await a_stage(*answers)
    if own is not None:
        await stage.system.application._surfaces.publisher.publish("acme", a_document(own), by="operator:root")
    return Asked(stage, await a_key(stage, a_principal(teams=teams, **fields)))


async def test_nobody_comes_near_without_a_permit():
    """Every path asks `administer`, and the default policies permit that to operators alone; a refusal is on record."""
    ask = await asked(own=None, teams=())
    for path in PATHS:
        status, body, _ = await ask("POST", f"/v1/policies/{path}", {"files": files(OPEN)})
        assert (status, body["error"]["code"]) == (403, "policy_denied"), path
    assert (await ask("GET", "/v1/policies"))[0] == 403
    assert [entry["action"] for entry in await ask.stage.entries()] == ["administer"] * 8
    for method, path in [("POST", f"/v1/policies/{path}") for path in PATHS] + [
        ("GET", "/v1/policies"),
        ("GET", "/v1/policies/explain/dec_1"),
    ]:
        assert (await ask(method, path, {}, key="tk_no_body"))[0] == 401


async def test_an_agent_does_not_administer():
    """The schema has no such question, whatever a policy says."""
    ask = await asked(own=OPEN.replace("{owner}", "acme"), kind=PrincipalKind.AGENT)
    assert (await ask("GET", "/v1/policies"))[0] == 403


async def test_publishing_takes_effect_at_once_and_leaves_proof():
    """With the golden cases tried, the old and the new hash told; rolling back as well."""
    ask = await asked(completion(), completion())
    before = (await ask("GET", "/v1/policies"))[1]["in_use"]
    golden = "- {name: odd, action: chat, resource: {name: large}, expect: {verdict: deny, policies: [acme.no-large]}}"
    given = files(OPERATED, NO_LARGE.replace('Model::"large"', 'Model::"small"'), tests__a=golden.replace("large}", "small}"))
    assert (await ask.chat())[0] == 200
    status, body, head = await ask("POST", "/v1/policies/publish", {"files": given}, if_match=f'"{before}"')
    assert (status, body["before"], body["cases"]) == (200, before, 1), body
    assert head["etag"] == f'"{body["after"]}"'
    assert (await ask.chat())[0] == 403
    listed = (await ask("GET", "/v1/policies?limit=5"))[1]
    assert [row["bundle_hash"] for row in listed["data"]] == [body["after"], before]
    assert (listed["in_use"], listed["in_use_owner"], listed["warning"]) == (body["after"], "acme", None)
    status, back, _ = await ask("POST", "/v1/policies/rollback", {"if_active": body["after"]})
    assert (status, back["after"]) == (200, before)
    rows = (await ask("GET", "/v1/policies"))[1]["data"]
    assert [row["by"] for row in rows] == ["user:ada", "user:ada", "operator:root"]
    assert [row["active"] for row in rows] == [True, False, False]
    assert (await ask.chat())[0] == 200
    proofs = [entry for entry in await ask.stage.entries() if entry["outcome"] == "checked"]
    assert [entry["effect_key"] for entry in proofs] == ["policies.rollback:previous", f"policies.publish:{body['after']}"]
    assert {entry["id"] for entry in proofs} == {body["audit_id"], back["audit_id"]}


async def test_what_is_wrong_is_not_published():
    """Faults, failing cases, a lost race, another hash, a locked door: told apart, and nothing changes."""
    ask = await asked()
    publish = "/v1/policies/publish"
    expecting = files(OPERATED, tests__a="- {name: odd, action: chat, expect: {verdict: deny}}")
    platform = files('@id("platform.mine")\npermit (principal, action, resource);')
    for given, status, code, fault in (
        ({"files": files("permit (")}, 400, "invalid_request", "policies.cedar:1:"),
        ({"files": platform}, 400, "invalid_request", "platform.mine"),
        ({"files": expecting}, 400, "invalid_request", "tests/a.yaml:1:1: odd: verdict: expected deny, got allow"),
        ({"files": files(OPERATED), "if_active": "0" * 64}, 409, "conflict", "somebody published meanwhile"),
        ({"files": files(OPERATED), "hash": "0" * 64}, 409, "conflict", "not the one that was named"),
        ({"files": files(OPEN), "even_if_locked_out": False}, 200, "", ""),
        ({"files": files(NO_LARGE)}, 409, "conflict", "could not take them back"),
        ({"files": {"../x.cedar": OPEN}}, 400, "invalid_request", "belong to a bundle"),
        ({"files": "x"}, 400, "invalid_request", "`files` must be an object"),
        ({"filles": {}}, 400, "invalid_request", "unknown field `filles`"),
        (b"[]", 400, "invalid_request", "must be a JSON object"),
    ):
        found, body, _ = await ask("POST", publish, given)
        assert found == status, body
        if status != 200:
            assert body["error"]["code"] == code
            assert fault in json.dumps(body, ensure_ascii=False).replace('\\"', '"'), body
    history = await ask.stage.system.application._surfaces.publisher.history("acme")
    assert len(history) == 2


async def test_who_wants_to_may_lock_the_door_behind():
    """Deliberately. The machine's operator has a key."""
    ask = await asked()
    given = {"files": files(NO_LARGE), "even_if_locked_out": True}
    assert (await ask("POST", "/v1/policies/publish", given))[0] == 200
    assert (await ask("GET", "/v1/policies"))[0] == 403


async def test_an_upload_has_a_limit():
    """Before anything in it is looked at."""
    ask = await asked()
    big = {"files": {"a.cedar": "x" * 4_500_000}}
    assert (await ask("POST", "/v1/policies/validate", big))[0] == 413
    status, body, _ = await ask("POST", "/v1/policies/validate", {"files": {"a.cedar": "/" * 1_000_001}})
    assert (status, body["valid"]) == (200, False)
    assert "more than 1000000 characters" in body["faults"][0]


async def test_policies_are_checked_formatted_and_tried_without_being_published():
    """Answers, not errors; what is active stays."""
    ask = await asked()
    golden = "- {name: fine, action: chat, expect: {verdict: deny}}"
    status, body, _ = await ask("POST", "/v1/policies/validate", {"files": files(OPERATED, tests__a=golden)})
    assert (status, body["valid"], body["policies"], body["cases"]) == (200, True, 2, 1)
    assert body["bundle_hash"] == bundle_hash(a_document(OPERATED))
    status, body, _ = await ask("POST", "/v1/policies/validate", {"files": files(OPERATED, tests__a="- {}")})
    assert (body["valid"], body["faults"][0][:16]) == (False, "tests/a.yaml:1:1")
    status, body, _ = await ask("POST", "/v1/policies/test", {"files": files(OPERATED, tests__a=golden)})
    assert (body["passed"], body["failed"], body["cases"][0]["place"]) == (0, 1, "tests/a.yaml:1")
    status, body, _ = await ask("POST", "/v1/policies/format", {"files": files(OPERATED)})
    assert body["changed"] == ["policies.cedar"]
    assert body["files"]["policies.cedar"].startswith('@id("acme.chat")\npermit (\n')
    assert len((await ask("GET", "/v1/policies"))[1]["data"]) == 1


async def test_differences_and_simulations():
    """Of requests that are given, and of those on record."""
    ask = await asked(completion(), completion())
    for _ in range(2):
        assert (await ask.chat())[0] == 200
    candidate = files(OPERATED, NO_LARGE.replace("large", "small"))
    requests = '[{"name": "s", "action": "chat", "resource": {"name": "small"}}, {"name": "l", "action": "chat"}]'
    status, body, _ = await ask("POST", "/v1/policies/diff", {"a": "active", "b": candidate, "requests": requests})
    assert (status, body["requests"]) == (200, 2), body
    assert [(c["name"], c["before"], c["after"], c["only_after"]) for c in body["changes"]] == [
        ("s", "allow", "deny", ["acme.no-small"])
    ]
    status, body, _ = await ask("POST", "/v1/policies/simulate", {"files": candidate})
    assert (status, body["calls"], body["same"]) == (200, 2, 0)
    assert [(c["before"], c["after"], c["count"]) for c in body["changes"]] == [("allow", "deny", 2)]
    for given, wrong in (({"files": candidate, "limit": 0}, "limit"), ({"bundle": "zz"}, "to"), ({"bundle": 7}, "files")):
        status, body, _ = await ask("POST", "/v1/policies/simulate", given)
        assert (status, body["error"]["param"]) == (400, wrong)
    assert (await ask("POST", "/v1/policies/diff", {"b": "active"}))[0] == 400


async def test_a_decision_is_explained_to_its_own_tenant_alone():
    """Also after other policies were published; by whoever may read the audit."""
    own = OPERATED + '@id("acme.audit") permit (principal, action == Triskel::Action::"read_audit", resource);'
    ask = await asked(completion(), own=own)
    _, _, head = await ask.chat()
    decision = head["x-triskel-decision"]
    await ask.stage.system.application._surfaces.publisher.publish("acme", a_document(own, NO_LARGE), by="operator:root")
    await ask.stage.system.policies.look("acme")
    status, told, _ = await ask("GET", f"/v1/policies/explain/{decision}")
    assert (status, told["verdict"], told["stages"][0]["agrees"]) == (200, "allow", True), told
    assert told["stages"][0]["entities_match"] is True
    determining = [policy["id"] for policy in told["stages"][0]["policies"] if policy["determining"]]
    assert determining == ["platform.open", "acme.chat"]
    stranger = await a_key(ask.stage, a_principal(tenant_id="other"))
    assert (await ask("GET", f"/v1/policies/explain/{decision}", key=stranger))[0] == 404
    assert (await ask("GET", "/v1/policies/explain/dec_unknown"))[0] == 404


async def test_readiness_shows_what_is_in_use_and_warns_without_failing():
    """And names no tenant."""
    ask = await asked(own=None)
    status, body, _ = await ask("GET", "/ready")
    assert (status, body["policies"]["warnings"], body["policies"]["tenants"]) == (200, [], 0)
    assert set(body["policies"]["bundles"]) == {"platform", "default"}


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1"])
async def test_the_history_has_a_limit(limit):
    """From 1 to 1000."""
    ask = await asked()
    assert (await ask("GET", f"/v1/policies?limit={limit}"))[0] == 400


async def test_a_check_that_takes_too_long_is_ended():
    """The upload is at fault, and the calls beside it go on."""
    with pytest.raises(ConfigurationInvalid, match="to check"):
        await Authoring(limit_s=0.001).compiled(read_draft(files(OPERATED)), "acme")
