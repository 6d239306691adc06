"""`GET /v1/models` and `GET /v1/models/{model}`: https://platform.openai.com/docs/api-reference/models"""

from typing import Any

from triskel.errors import ModelNotFound
from triskel.http.calls import principal_of
from triskel.http.exchange import Exchange, encode_json
from triskel.http.surfaces import Surfaces


async def list_models(surfaces: Surfaces, exchange: Exchange) -> None:
    """Every name that `model` may hold."""
    await principal_of(surfaces, exchange)
    data = [_model(surfaces, name) for name in surfaces.catalog.names()]
    await exchange.reply(200, encode_json({"object": "list", "data": data}))


async def show_model(surfaces: Surfaces, exchange: Exchange) -> None:
    """One of them."""
    await principal_of(surfaces, exchange)
    name = exchange.path.removeprefix("/v1/models/")
    if name not in surfaces.catalog.names():
        raise ModelNotFound(f"there is no model or deployment `{name[:256]}`", field="model")
    await exchange.reply(200, encode_json(_model(surfaces, name)))


def _model(surfaces: Surfaces, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": surfaces.started_at_ms // 1000, "owned_by": "triskel"}
