"""`GET /v1/models`: the models of the price book in force, and their prices."""

import bisect
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Final

import anyio
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from otel_usage.api import parameters
from otel_usage.api.answering import answered
from otel_usage.api.encoding import Value
from otel_usage.api.parameters import Check, faults_of, is_limit, is_text, is_time, time_of
from otel_usage.api.problems import Invalid
from otel_usage.auth import HEADER, Keys
from otel_usage.ingest import Ingest
from otel_usage.pricing.book import PriceBook
from otel_usage.pricing.listing import Listed, model, models
from otel_usage.pricing.rate import Prices

_PARAMETERS: Final[Mapping[str, Check]] = {
    "provider": is_text,
    "modelId": is_text,
    "tier": is_text,
    "at": is_time,
    "limit": is_limit(parameters.MAX_LIMIT),
    "cursor": is_text,
}


def routes(ingest: Ingest, keys: Keys) -> list[Route]:
    """The address of the price list."""

    async def listed(request: Request) -> Value:
        keys.tenant(request.headers.get(HEADER))
        query = request.query_params
        if faults := list(faults_of(query, _PARAMETERS)):
            raise Invalid(faults)
        # In a thread: a book has thousands of models.
        return await anyio.to_thread.run_sync(_answer, query, ingest.pricer.book, time.time_ns())

    return [Route("/v1/models", answered(listed), methods=["GET"])]


def pricing(prices: Prices) -> dict[str, Value]:
    """Prices per million tokens, as the origin names them; null: none.

    Cached input is priced as input where it has no price of its own.
    """
    whole = prices.get("input_mtok")
    return {
        "inputPerMillion": whole,
        "outputPerMillion": prices.get("output_mtok"),
        "cachedInputPerMillion": prices.get("cache_read_mtok", whole),
    }


def _answer(query: QueryParams, book: PriceBook, now_ns: int) -> Value:
    at = time_of(query, "at")
    at_ns = now_ns if at is None else at
    if "modelId" in query:
        found = model(book, at_ns, query["modelId"], query.get("provider", ""))
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"The price book has no model {query['modelId']}.")
        return {"success": True, "model": _model(found)}
    # Of no model the book says whether it is a flagship: none is of any tier that is asked for.
    every = [] if "tier" in query else models(book, at_ns, query.get("provider"))
    page, following = _page(every, query.get("cursor", ""), int(query.get("limit", parameters.DEFAULT_LIMIT)))
    return {
        "success": True,
        "models": [_model(each) for each in page],
        "nextCursor": following,
        "priceBook": book.name,
    }


def _page(every: Sequence[Listed], cursor: str, limit: int) -> tuple[Sequence[Listed], str | None]:
    """The models after the one that the cursor names, and the cursor of the next page if there is one."""
    begin = bisect.bisect_right(every, cursor.lower(), key=lambda each: each.key.lower())
    page = every[begin : begin + limit]
    return page, page[-1].key if begin + limit < len(every) else None


def _model(listed: Listed) -> Value:
    return {
        "modelId": listed.model_id,
        "provider": listed.provider,
        "displayName": listed.name,
        "modelType": listed.model_type,
        "pricing": {"text": pricing(listed.prices), "contextWindow": listed.context_window},
        "tier": None,
        "source": listed.source,
        "priceKey": listed.key,
        "unitPrices": _prices(listed.prices),
        "tiers": [
            {"aboveInputTokens": tier.start, "unitPrices": _prices(tier.prices)} for tier in listed.tiers
        ],
        "contexts": [
            {"when": dict(context.when), "unitPrices": _prices(context.prices)} for context in listed.contexts
        ],
    }


def _prices(prices: Mapping[str, Decimal]) -> Value:
    return {key: prices[key] for key in sorted(prices)}
