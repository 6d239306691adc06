"""`GET /health`, `/ready` and `/metrics`: for probes and scrapers. They hold nothing of any tenant."""

import asyncio

from triskel.errors import TriskelError
from triskel.http.exchange import Exchange, encode_json
from triskel.http.surfaces import Check, Surfaces

CHECK_TIMEOUT_S = 2.0


async def health(surfaces: Surfaces, exchange: Exchange) -> None:
    """The process lives."""
    await exchange.reply(200, encode_json({"status": "healthy", "version": surfaces.version}))


async def ready(surfaces: Surfaces, exchange: Exchange) -> None:
    """200 when every dependency that a call needs works now; 503 otherwise, with the reason for each."""
    results = await asyncio.gather(*(_checked(check) for check in surfaces.checks.values()))
    checks = {
        name: {"ok": reason is None} if reason is None else {"ok": False, "reason": reason}
        for name, reason in zip(surfaces.checks, results, strict=True)
    }
    ok = all(reason is None for reason in results)
    await exchange.reply(200 if ok else 503, encode_json({"status": "ready" if ok else "not_ready", "checks": checks}))


async def _checked(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:.0f} s"
    except TriskelError as error:
        return error.message
    return None


async def metrics(surfaces: Surfaces, exchange: Exchange) -> None:
    """Prometheus' text format."""
    await exchange.reply(200, surfaces.meter.render(), b"text/plain; version=0.0.4; charset=utf-8")
