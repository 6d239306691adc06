"""The data file of the simulated clouds, and what a deployment can take."""

from pathlib import Path

import msgspec
import pytest
import yaml

from triskel.local.simulator.capacity import Capacity
from triskel.local.simulator.offer import DATA_FILE, OfferedDeployment, OfferInvalid, read_offer


def test_the_offer_has_choices_on_every_cloud() -> None:
    """`small` is offered by all three clouds, names are unique, and each deployment can be used."""
    offer = read_offer()
    assert set(offer.clouds) == {"aws", "azure", "gcp"}
    everything = [deployment for cloud in offer.clouds.values() for deployment in cloud.deployments]
    assert len({deployment.name for deployment in everything}) == len(everything)
    assert [deployment.name for deployment in everything if deployment.model == "small"] == [
        "aws-small",
        "azure-small",
        "gcp-small",
    ]
    assert len({(deployment.price.input, deployment.first_token_ms) for deployment in everything}) == len(everything)
    for deployment in everything:
        assert deployment.max_output < deployment.context_window
        assert deployment.capabilities <= {"chat", "tools", "json", "vision"}
    assert offer.source == "invented for simulation"


def test_names_of_one_cloud_are_not_another_clouds() -> None:
    """A call sent to the wrong cloud is noticed: no cloud knows another's upstream names."""
    names = [deployment.upstream_model for cloud in read_offer().clouds.values() for deployment in cloud.deployments]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "change",
    [lambda d: d.update(v=2), lambda d: d.pop("dated"), lambda d: d["clouds"]["aws"]["deployments"][0].update(speed=3)],
)
def test_an_unexpected_data_file_is_refused(tmp_path: Path, change: object) -> None:
    """Another version, a missing or an unknown field is an error that names the file."""
    document = yaml.safe_load(DATA_FILE.read_text())
    change(document)  # type: ignore[operator]
    path = tmp_path / "offer.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(OfferInvalid, match=r"offer\.yaml"):
        read_offer(path)


@pytest.mark.parametrize("content", [b"", b"[", b"\xff"])
def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    """Truncated and binary files too."""
    path = tmp_path / "offer.yaml"
    path.write_bytes(content)
    with pytest.raises(OfferInvalid):
        read_offer(path)


def test_too_many_calls_at_once_are_short_of_a_second(deployment: OfferedDeployment) -> None:
    """Concurrency is bounded."""
    capacity = Capacity(msgspec.structs.replace(deployment, concurrent_calls=1))
    assert capacity.shortage(10, 0.0) == 0
    capacity.in_flight += 1
    assert capacity.shortage(10, 0.0) == 1


def test_tokens_of_a_minute_refill_evenly(deployment: OfferedDeployment) -> None:
    """What exceeds the minute is told when to come back; a call larger than a minute waits for a full bucket."""
    capacity = Capacity(msgspec.structs.replace(deployment, tokens_per_minute=600))
    assert capacity.shortage(600, 100.0) == 0
    assert capacity.shortage(50, 101.0) == 4
    assert capacity.shortage(50, 105.0) == 0
    assert capacity.shortage(5000, 105.0) == 60
    assert capacity.shortage(5000, 165.0) == 0
