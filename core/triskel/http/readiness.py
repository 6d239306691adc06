"""`GET /ready`: whether calls can be served now, and by which policies. It holds nothing of any tenant.

One rule: not ready is what a call would fail on; what merely is not as somebody wanted it is a warning.
"""

import asyncio

from triskel.errors import TriskelError
from triskel.http.exchange import Exchange, encode_json
from triskel.http.surfaces import Check, Surfaces

CHECK_TIMEOUT_S = 2.0


async def ready(surfaces: Surfaces, exchange: Exchange) -> None:
    """200 when every dependency that a call needs works now; 503 otherwise, with the reason for each."""
    results = await asyncio.gather(*(_checked(check) for check in surfaces.checks.values()))
    checks = {
        name: {"ok": reason is None} if reason is None else {"ok": False, "reason": reason}
        for name, reason in zip(surfaces.checks, results, strict=True)
    }
    ok = all(reason is None for reason in results)
    body = {"status": "ready" if ok else "not_ready", "checks": checks, "policies": surfaces.bundles.state()}
    await exchange.reply(200 if ok else 503, encode_json(body))


async def _checked(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:.0f} s"
    except TriskelError as error:
        return error.message
    return None
