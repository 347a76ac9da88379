"""`GET /v1/usage`: calls as records, or summed up."""

import time

from starlette.requests import Request
from starlette.routing import Route

from otel_usage.api import answers, cursors, parameters
from otel_usage.api.answering import answered
from otel_usage.api.encoding import Value
from otel_usage.auth import HEADER, Keys
from otel_usage.store import Store
from otel_usage.store.queries import list_usage
from otel_usage.store.summary import summarize
from otel_usage.store.unpriced import UnpricedModel, unpriced_models


def routes(store: Store, keys: Keys) -> list[Route]:
    """The address of the list and the summary."""

    async def usage(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        asked = parameters.parse(request.query_params, tenant, time.time_ns())
        if not asked.summary:
            # One more than is shown: whether there is a next page.
            rows = await store.query(list_usage(asked.filter, asked.limit + 1, asked.after))
            page = rows[: asked.limit]
            return answers.listed(page, cursors.of(page[-1]) if len(rows) > len(page) else None)
        sums = await store.query(summarize(asked.filter))
        models: list[UnpricedModel] = []
        if any(each.unpriced_calls for each in sums):
            models.extend(await store.query(unpriced_models(asked.filter)))
        return answers.summarized(sums, models)

    return [Route("/v1/usage", answered(usage), methods=["GET"])]
