"""What an issuer may be configured to say, and who its claims then are."""

import pytest
from tests.unit.identity.issuing import claims

from triskel.errors import ConfigurationInvalid
from triskel.identity.oidc import Issuer, TokenRefused
from triskel.model.principal import Principal, PrincipalKind

GOOD = {"issuer": "https://a.example", "audiences": frozenset({"triskel"}), "tenant_id": "acme"}
MAPPED = Issuer(
    issuer="https://a.example",
    audiences=frozenset({"triskel"}),
    tenant_claim="https://triskel.example/org",
    tenants={"org-1": "acme", "org-2": "globex"},
    principal_claim="azp",
    principal_prefix="a:",
    kind_claim="idtyp",
    kinds={"app": PrincipalKind.AGENT},
    tier_claim="plan",
    tiers={"gold": "enterprise"},
    teams_claim="realm_access.roles",
    required_claims=frozenset({"jti"}),
)
SAID = {
    "https://triskel.example/org": "org-2",
    "azp": "robot",
    "idtyp": "app",
    "plan": "gold",
    "realm_access": {"roles": ["search", "ads", "search"]},
    "jti": "1",
}


def test_claims_are_mapped_to_a_principal():
    assert MAPPED.principal(claims(**SAID)) == Principal(
        tenant_id="globex",
        principal_id="a:robot",
        kind=PrincipalKind.AGENT,
        tier="enterprise",
        credential="jwt:https://a.example",
        teams=("ads", "search"),
    )


def test_without_mappings_the_configured_values_hold_whatever_the_token_says():
    issuer = Issuer(**GOOD)
    principal = issuer.principal(claims(tenant="globex", tier="enterprise", kind="service", teams=["root"], groups=["root"]))
    assert (principal.tenant_id, principal.tier, principal.kind, principal.teams) == ("acme", "pilot", PrincipalKind.USER, ())


@pytest.mark.parametrize(
    "said",
    [
        {"https://triskel.example/org": "acme"},
        {"https://triskel.example/org": "*"},
        {"https://triskel.example/org": None},
        {"https://triskel.example/org": ["org-1"]},
        {"idtyp": "user"},
        {"plan": "platinum"},
        {"plan": None},
        {"azp": None},
        {"azp": ["robot"]},
        {"realm_access": {"roles": [f"team-{n}" for n in range(201)]}},
        {"realm_access": {"roles": [["search"]]}},
        {"realm_access": {"roles": {"search": True}}},
        {"realm_access": {"roles": ["search\nroot"]}},
        {"realm_access": {"roles": [""]}},
    ],
)
def test_what_the_operator_did_not_map_is_refused(said):
    """An unknown tenant, kind or tier is not a default, and too many teams are not some of them."""
    with pytest.raises(TokenRefused):
        MAPPED.principal(claims(**{**SAID, **said}))


@pytest.mark.parametrize(
    ("said", "teams"),
    [("b a", ("a", "b")), (["b", "a"], ("a", "b")), ("", ()), ([], ()), (None, ())],
)
def test_teams_are_a_list_or_words(said, teams):
    issuer = Issuer(**GOOD, teams_claim="groups")
    assert issuer.principal(claims(groups=said)).teams == teams


def test_a_claim_of_exactly_that_name_goes_before_a_path():
    issuer = Issuer(**GOOD, teams_claim="a.b")
    assert issuer.principal({**claims(), "a.b": ["exact"], "a": {"b": ["path"]}}).teams == ("exact",)
    assert issuer.principal({**claims(), "a": "no object"}).teams == ()


def test_a_required_claim_that_is_missing_is_refused():
    with pytest.raises(TokenRefused):
        MAPPED.check(claims(), now_ms=1_800_000_000_000)
    assert MAPPED.check(claims(jti="1"), now_ms=1_800_000_000_000) == 1_800_000_600 + 30


def test_claims_of_another_issuer_are_refused_whoever_signed_them():
    with pytest.raises(TokenRefused):
        Issuer(**GOOD).check(claims(iss="https://b.example"), now_ms=1_800_000_000_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://a.example"},
        {"issuer": "a.example"},
        {"issuer": "https://user@a.example"},
        {"issuer": "https://a.example\n"},
        {"issuer": "https://[::1"},
        {"jwks_url": "http://169.254.169.254/keys"},
        {"jwks_url": "file:///keys"},
        {"audiences": frozenset()},
        {"audiences": frozenset({""})},
        {"algorithms": frozenset()},
        {"algorithms": frozenset({"RS256", "none"})},
        {"algorithms": frozenset({"HS256"})},
        {"tenant_id": ""},
        {"tenant_claim": "org", "tenants": {"x": "acme"}},
        {"tenant_id": "", "tenant_claim": "org"},
        {"principal_claim": ""},
        {"leeway_s": -1},
        {"leeway_s": 86_400},
    ],
)
def test_an_issuer_that_is_not_safe_to_trust_is_refused(wrong):
    with pytest.raises(ConfigurationInvalid) as caught:
        Issuer(**{**GOOD, **wrong})
    assert caught.value.faults


def test_plain_http_is_for_this_machine_only():
    for host in ("127.0.0.1:8080", "localhost:1", "[::1]:5"):
        assert Issuer(**{**GOOD, "issuer": f"http://{host}"}).issuer.endswith(host)
