"""What each simulated cloud offers, read from the data file. One rule: a file with anything unexpected in it is refused."""

import datetime as dt
from pathlib import Path

import msgspec
import yaml

DATA_FILE = Path(__file__).parent.parent / "data" / "simulated_clouds.yaml"


class OfferInvalid(Exception):
    """The data file is not what it should be. The message names the file and the field."""


class OfferedPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """US dollars per million tokens."""

    input: float
    output: float
    cached_input: float | None = None


class OfferedDeployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of one cloud, and how it behaves. The data file's head says what each field means."""

    name: str
    model: str
    upstream_model: str
    price: OfferedPrice
    context_window: int
    max_output: int
    capabilities: frozenset[str]
    first_token_ms: int
    token_gap_ms: int
    jitter_permille: int
    concurrent_calls: int
    tokens_per_minute: int
    exact: bool = False
    chunks: int = 0
    benchmark: bool = False


class OfferedCloud(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cloud: where it says it stands, and its deployments."""

    region: str
    provider: str
    deployments: tuple[OfferedDeployment, ...]


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document. `dated` is the day of its numbers, `source` where they come from."""

    v: int
    dated: dt.date
    source: str
    clouds: dict[str, OfferedCloud]

    @property
    def dated_s(self) -> int:
        """`dated` in seconds since the epoch: the `created` of every reply, so that replies are a function of requests."""
        midnight = dt.datetime.combine(self.dated, dt.time(), dt.UTC)
        return int(midnight.timestamp())


def read_offer(path: Path = DATA_FILE) -> Offer:
    """The document at `path`. Raises OfferInvalid."""
    try:
        offer = msgspec.convert(yaml.safe_load(path.read_bytes()), Offer)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise OfferInvalid(f"{path}: {error}") from error
    if offer.v != 1:
        raise OfferInvalid(f"{path}: `v` is {offer.v}, this program reads 1")
    return offer
