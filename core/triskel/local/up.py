"""`triskel up` and `triskel serve`: one process that listens, and says so when it does."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path

import uvicorn

from triskel.adapters import json_logs
from triskel.config import Config, CredentialConfig, DeploymentConfig
from triskel.errors import ConfigurationInvalid, Unavailable
from triskel.local import banner, bootstrap
from triskel.local.bounded_http import BoundedHttp
from triskel.local.clouds import SimulatedClouds
from triskel.local.documents import read_config
from triskel.local.home import Home
from triskel.system import System, assemble

DEFAULT_CONFIG = Path("triskel.yaml")
SWITCH_INTERVAL_S = 0.0005
"""Threads that write the audit must not keep the loop waiting for the interpreter: five milliseconds, by default."""

GC_THRESHOLDS = (20_000, 50, 100)
"""A call makes hundreds of objects and next to no cycles: at the default of 700 the collector takes a tenth of its time."""

SHUTDOWN_GRACE_S = 5
"""How long calls under way may take to end after a Ctrl-C."""

CUT_OFF_S = 2
"""How long those may take that are cut off then."""


def up(config_file: Path | None, host: str | None, port: int | None, data_dir: Path, pace: float) -> int:
    """Run with simulated clouds, unless the configuration names deployments of its own. Returns the exit status."""
    config = _config(config_file, host, port)
    if not 0 <= pace <= 1000:
        raise ConfigurationInvalid(f"--pace must be from 0 to 1000, not {pace:g}")
    return _run(_up(config, Home(data_dir), pace))


def serve(config_file: Path | None, host: str | None, port: int | None, data_dir: Path) -> int:
    """Run the gateway alone. Returns the exit status."""
    config = _config(config_file, host, port)
    if not config.deployments:
        raise ConfigurationInvalid(
            "the configuration names no deployments; `triskel serve` has nothing to call (try `triskel up`, which simulates some)"
        )
    return _run(_serve(config, Home(data_dir)))


def _run(work: Coroutine[object, object, None]) -> int:
    import uvloop  # noqa: PLC0415 - not on every platform, and not for the other commands

    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
    return 0


def _config(path: Path | None, host: str | None, port: int | None) -> Config:
    if path is None:
        path = DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
    config = Config() if path is None else read_config(path)
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if port is not None and not 0 <= port <= 65535:
        raise ConfigurationInvalid(f"--port must be from 0 to 65535, not {port}")
    return config.model_copy(update={"http": config.http.model_copy(update=given)})


async def _up(config: Config, home: Home, pace: float) -> None:
    home.prepare()
    with _listening(config) as listener:
        async with _clouds(config, home, pace) as full:
            ports = bootstrap.fill_ports(full, home)
            await bootstrap.publish_defaults(ports.store, ports.clock)
            key = await bootstrap.demo_key(home, ports.store, ports.ids, ports.clock)
            system = assemble(full, ports)
            await _listen(full, system, listener, banner.of_up(_address(listener), key, home, simulated=full is not config))


async def _serve(config: Config, home: Home) -> None:
    home.prepare()
    with _listening(config) as listener:
        ports = bootstrap.fill_ports(config, home)
        await bootstrap.publish_defaults(ports.store, ports.clock)
        await _listen(config, assemble(config, ports), listener, banner.of_serve(_address(listener)))


@contextlib.asynccontextmanager
async def _clouds(config: Config, home: Home, pace: float) -> AsyncIterator[Config]:
    """The configuration with the deployments of three simulated clouds, or as it is where it has its own."""
    if config.deployments:
        yield config
        return
    banner.progress("starting three simulated clouds")
    keys = {cloud: home.kept_secret(f"simulated-{cloud}") for cloud in ("aws", "azure", "gcp")}
    async with SimulatedClouds(pace=pace, keys=keys) as clouds:
        rows = [{("wire" if name == "schema" else name): value for name, value in row.items()} for row in clouds.catalog()]
        credentials = {name: CredentialConfig(secret=f"secret://{name}") for name in clouds.keys}
        yield config.model_copy(
            update={
                "deployments": tuple(DeploymentConfig.model_validate(row) for row in rows),
                "credentials": {**config.credentials, **credentials},
            }
        )


@contextlib.contextmanager
def _listening(config: Config) -> Iterator[socket.socket]:
    """A bound socket. Raises ConfigurationInvalid where the port is in use."""
    host, port = config.http.host, config.http.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationInvalid(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another port with --port"
        ) from None
    with listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Says so when it listens, and keeps a failed start's reason to one line."""

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then greet."""
        await super().startup(sockets)
        if self.started:
            print(self._greeting, flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal ends the server gently, the second at once; neither is raised again afterwards."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


async def _cut_off(calls: set[asyncio.Task[None]]) -> None:
    """Let calls that the server has given up put their end on record, before what they need is closed."""
    left = tuple(calls)
    for call in left:
        if not call.cancelling():
            call.cancel()
    if left:
        await asyncio.wait(left, timeout=CUT_OFF_S)


async def _listen(config: Config, system: System, listener: socket.socket, greeting: str) -> None:
    json_logs.configure(config.log.level, sys.stderr)
    server = _Server(
        uvicorn.Config(
            system.application,
            http=BoundedHttp,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
        ),
        greeting,
    )
    await system.start()
    # What was made so far stays until the end: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        await server.serve([listener])
    finally:
        await _cut_off(server.server_state.tasks)
        await system.stop()
    if not server.started:
        raise Unavailable("the server could not be started")
