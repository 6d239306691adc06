"""Processes that tests share, and what makes fresh ones."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from tests.clients.issuers import Issuers
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Triskel, serve

from triskel.adapters.random_ids import RandomIds
from triskel.adapters.sqlite_store import SqliteStore
from triskel.adapters.system_clock import SystemClock
from triskel.identity.api_keys import make
from triskel.model.principal import Principal, PrincipalKind, Tenant

BODY_BYTES = 2 * 1024 * 1024
PATIENT: Mapping[str, int] = {"first_frame_ms": 20_000, "stall_ms": 20_000, "whole_ms": 20_000}
IMPATIENT: Mapping[str, int] = {"first_frame_ms": 1_000, "stall_ms": 1_000, "whole_ms": 1_500, "call_ms": 15_000}

Start = Callable[..., Triskel]


def make_key(
    directory: Path, tenant: str, principal: str = "ana", *, tier: str = "enterprise", teams: tuple[str, ...] = ()
) -> str:
    """A new API key, put into the store of a data directory."""

    async def put() -> str:
        store = SqliteStore.open(directory / "triskel.db")
        try:
            await store.put_tenant(Tenant(tenant_id=tenant, name=tenant, tier=tier))
            who = Principal(
                tenant_id=tenant, principal_id=principal, kind=PrincipalKind.AGENT, tier=tier, credential="", teams=teams
            )
            plain, record = make(who, RandomIds(), SystemClock())
            await store.put_key(record)
            return plain
        finally:
            await store.aclose()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(put())


@pytest.fixture
def require() -> Callable[[bool, str], None]:
    """Skips where a part of this machine is missing, and says which; fails instead where TRISKEL_REQUIRE is `all`."""

    def demand(present: bool, what: str) -> None:
        if not present and os.environ.get("TRISKEL_REQUIRE") == "all":
            pytest.fail(f"this machine lacks {what}")
        if not present:
            pytest.skip(f"this machine lacks {what}")

    return demand


@pytest.fixture(scope="session")
def running_clouds() -> Iterator[Clouds]:
    """Three simulated clouds, as fast as they can be, recording."""
    with Clouds() as clouds:
        yield clouds


@pytest.fixture
def clouds(running_clouds: Clouds) -> Iterator[Clouds]:
    """The clouds, without faults and with nothing seen."""
    running_clouds.begin_anew()
    yield running_clouds
    running_clouds.calm()


@pytest.fixture(scope="session")
def issuers() -> Iterator[Issuers]:
    """Two issuers of bearer tokens."""
    with Issuers() as running:
        yield running


@pytest.fixture(scope="session")
def gateway(running_clouds: Clouds, issuers: Issuers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triskel]:
    """One `triskel serve` for all tests that leave it as they found it. It waits long for a provider.

    Tokens of the issuer `a` are the tenant acme's, those of `b` the tenant bolt's; `key` is one of acme.
    """
    directory = tmp_path_factory.mktemp("shared") / "data"
    document = running_clouds.configuration(
        http={"max_body_bytes": BODY_BYTES},
        identity=issuers.configuration(a="acme", b="bolt"),
        budgets=[{"name": "pocket-money", "tenant": "poor", "usd": 0.000001}],
        timeouts=PATIENT,
    )
    # One key by the environment, the others by files.
    running_clouds.give_keys(directory)
    (directory / "secrets" / "simulated-aws").unlink()
    with serve(directory, document, environment={"TRISKEL_SECRET_SIMULATED_AWS": running_clouds.keys["simulated-aws"]}) as served:
        served.key = make_key(directory, "acme")
        yield served


@pytest.fixture
def start(clouds: Clouds, tmp_path: Path) -> Iterator[Start]:
    """Starts a `triskel serve` of the test's own, impatient with providers; `more` are sections of its configuration."""
    numbers = itertools.count(1)
    with ExitStack() as running:

        def one(directory: Path | None = None, **more: Any) -> Triskel:
            directory = directory or tmp_path / f"data{next(numbers)}"
            clouds.give_keys(directory)
            served = running.enter_context(serve(directory, clouds.configuration(**{"timeouts": IMPATIENT, **more})))
            served.key = make_key(directory, "acme")
            return served

        yield one


@pytest.fixture
def client(gateway: Triskel) -> Iterator[OpenAI]:
    """OpenAI's SDK, pointed at the shared gateway."""
    with OpenAI(base_url=f"{gateway.address}/v1", api_key=gateway.key, max_retries=0, timeout=20) as opened:
        yield opened
