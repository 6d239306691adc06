"""`POST /v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat/create"""

import asyncio

from triskel.errors import TriskelError
from triskel.gateway import Answer
from triskel.http.calls import CallMaker, principal_of
from triskel.http.disconnect import CancelOnDisconnect
from triskel.http.exchange import ClientGone, Exchange, Header
from triskel.http.faults import ENDING, error_event
from triskel.http.surfaces import Surfaces
from triskel.model.call import Action
from triskel.model.units import usd
from triskel.providers.chat import chat_parts, check_chat

_DONE = b"data: [DONE]"


async def chat_completions(surfaces: Surfaces, exchange: Exchange) -> None:
    """Answer one chat, whole or streamed."""
    principal = await principal_of(surfaces, exchange)
    body = check_chat(await exchange.json(surfaces.max_body_bytes))
    call = CallMaker(surfaces, exchange).model_call(
        principal, Action.CHAT, body, chat_parts(body), surface="openai.chat", stream=body.get("stream") is True
    )
    async with CancelOnDisconnect(exchange):
        answer = await surfaces.gateway.answer(call, surfaces.inference, exchange.header(b"traceparent"))
        if answer.body is not None:
            await exchange.reply(200, answer.body, answer.content_type.encode(), _headers(answer))
        else:
            await _stream(exchange, answer)


def _headers(answer: Answer) -> list[Header]:
    """What a caller may want to know of its call. A stream's cost is not known yet, so its bound is given."""
    cost = answer.cost_bound if answer.body is None else answer.cost
    return [
        (b"x-triskel-decision", answer.decision.decision_id.encode()),
        (b"x-triskel-route", answer.route.encode()),
        (b"x-triskel-audit", answer.audit_id.encode()),
        (b"x-triskel-cost-bound-usd" if answer.body is None else b"x-triskel-cost-usd", usd(cost).encode()),
    ]


async def _stream(exchange: Exchange, answer: Answer) -> None:
    """Pass the chunks on. What breaks after the first is told in the stream, as its last event."""
    try:
        await exchange.start(200, b"text/event-stream; charset=utf-8", [(b"cache-control", b"no-cache"), *_headers(answer)])
        async for chunk in answer.chunks():
            if chunk.startswith(_DONE):
                # A comment, which every client of server-sent events passes over.
                await exchange.write(b": x-triskel-cost-usd %s\n\n" % usd(answer.cost).encode())
            await exchange.write(chunk)
        await exchange.finish()
    except TriskelError as error:
        await exchange.finish(error_event(error))
    except OSError as error:
        raise ClientGone from error
    except asyncio.CancelledError:
        # The client has gone and hears nothing, or the server ends and says so.
        await exchange.finish(error_event(ENDING))
        raise
    finally:
        await answer.aclose()
