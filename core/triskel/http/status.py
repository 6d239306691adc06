"""`GET /health` and `/metrics`: for probes and scrapers. They hold nothing of any tenant."""

from triskel.http.exchange import Exchange, encode_json
from triskel.http.surfaces import Surfaces


async def health(surfaces: Surfaces, exchange: Exchange) -> None:
    """The process lives."""
    await exchange.reply(200, encode_json({"status": "healthy", "version": surfaces.version}))


async def metrics(surfaces: Surfaces, exchange: Exchange) -> None:
    """Prometheus' text format."""
    await exchange.reply(200, surfaces.meter.render(), b"text/plain; version=0.0.4; charset=utf-8")
