"""Names and what they stand for."""

from dataclasses import replace

import pytest
from tests.unit.routing.catalogs import deployment

from triskel.errors import ConfigurationInvalid, ModelNotFound
from triskel.model.usage import Price
from triskel.routing.catalog import Catalog

CATALOG = Catalog(
    [
        deployment("aws-small"),
        deployment("gcp-small", capabilities=frozenset({"chat"}), context_window=4_000),
        deployment("azure-large", model="meta/large:70b", capabilities=frozenset({"chat", "json"})),
    ]
)


def names(deployments):
    return [d.name for d in deployments]


def test_a_name_is_a_deployment_or_a_model_or_auto():
    assert names(CATALOG.named("gcp-small")) == ["gcp-small"]
    assert names(CATALOG.named("small")) == ["aws-small", "gcp-small"]
    assert names(CATALOG.named("auto")) == ["aws-small", "gcp-small", "azure-large"]


def test_names_lists_everything_that_a_request_may_hold_once():
    assert CATALOG.names() == ("auto", "meta/large:70b", "small", "aws-small", "gcp-small", "azure-large")


@pytest.mark.parametrize("name", ["", "AUTO", "small ", "aws", "aws-small\n", "x" * 100_000])
def test_an_unknown_name_is_not_found(name):
    with pytest.raises(ModelNotFound) as caught:
        CATALOG.named(name)
    assert caught.value.field == "model"
    assert len(caught.value.message) < 320


def test_a_deployment_goes_before_the_model_of_the_same_name():
    catalog = Catalog([deployment("small"), deployment("other")])
    assert names(catalog.named("small")) == ["small"]
    assert catalog.names() == ("auto", "small", "other")


def test_capable_keeps_those_that_can_do_everything_asked():
    assert names(CATALOG.capable("auto", frozenset({"chat", "tools"})).deployments) == ["aws-small"]
    assert CATALOG.capable("small", frozenset({"vision"})).deployments == ()
    group = CATALOG.capable("small", frozenset({"chat"}))
    assert (group.least_context, group.least_output) == (4_000, 1_000)


def test_what_is_asked_for_cannot_make_the_catalog_grow():
    catalog = Catalog([deployment("a")])
    for number in range(1_000):
        catalog.capable("a", frozenset({f"made-up-{number}"}))
        with pytest.raises(ModelNotFound):
            catalog.capable(f"made-up-{number}", frozenset({"chat"}))
    assert not catalog._groups


def test_an_empty_catalog_knows_no_name():
    assert Catalog([]).names() == ()
    with pytest.raises(ModelNotFound):
        Catalog([]).named("auto")


@pytest.mark.parametrize(
    "rows",
    [
        [deployment("a"), deployment("a")],
        [deployment("auto")],
        [deployment("a", model="auto")],
        [deployment("large"), deployment("b", model="large")],
        [deployment("")],
        [deployment("a/b")],
        [deployment("a b")],
        [deployment("a\r\nx: y")],
        [deployment("é")],
        [deployment("a" * 129)],
        [deployment("a", model="")],
        [deployment("a", capabilities=frozenset())],
        [deployment("a", capabilities=frozenset({"chat", "fly"}))],
        [deployment("a", context_window=0)],
        [deployment("a", max_output=0)],
        [deployment("a", first_token_ms=0)],
        [deployment("a", price=(-1, 1))],
        [replace(deployment("a"), price=Price(input=1, output=1, cached_input=-1))],
    ],
)
def test_a_catalog_that_is_ambiguous_or_senseless_is_refused(rows):
    with pytest.raises(ConfigurationInvalid) as caught:
        Catalog(rows)
    assert len(caught.value.faults) >= 1
    assert all(fault.startswith("deployment `") for fault in caught.value.faults)


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigurationInvalid) as caught:
        Catalog([deployment("a b", context_window=0), deployment("c", max_output=0)])
    assert len(caught.value.faults) == 3
