"""`GET /v1/usage`: calls as records, or summed up."""

import time

from starlette.requests import Request
from starlette.routing import Route

from otel_usage.api import answers, cursors, grouping, parameters
from otel_usage.api.answering import answered
from otel_usage.api.encoding import Value
from otel_usage.api.expired import Past
from otel_usage.api.paging import page
from otel_usage.api.problems import Invalid
from otel_usage.auth import HEADER, Keys
from otel_usage.ingest import Ingest
from otel_usage.store import Store
from otel_usage.store.groups import group_usage
from otel_usage.store.summary import summarize
from otel_usage.store.unpriced import UnpricedModel, unpriced_models


def routes(ingest: Ingest, store: Store, keys: Keys) -> list[Route]:
    """The address of the list and the summary."""

    async def usage(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        now_ns = time.time_ns()
        asked = parameters.parse(request.query_params, tenant, now_ns)
        # As it was before the question: rows stay for a while after they are said to be gone.
        past = Past(ingest.horizon)
        if not asked.summary:
            # One more than is shown: whether there is a next page.
            rows = await page(store, asked.filter, asked.limit + 1, asked.after, now_ns)
            shown = rows[: asked.limit]
            following = cursors.of(shown[-1]) if len(rows) > len(shown) else None
            return answers.listed(shown, following, past.of_list(asked.filter))
        expired_ns = past.of_sums(asked.filter, asked.grouping)
        sums = await store.query(summarize(asked.filter))
        models: list[UnpricedModel] = []
        if any(each.unpriced_calls for each in sums):
            models.extend(await store.query(unpriced_models(asked.filter)))
        if asked.grouping is None:
            return answers.summarized(sums, models, expired_ns=expired_ns)
        groups = await store.query(group_usage(asked.filter, asked.grouping))
        if faults := list(grouping.too_many(groups)):
            raise Invalid(faults)
        return answers.summarized(sums, models, grouping.told(groups, asked.grouping), expired_ns)

    return [Route("/v1/usage", answered(usage), methods=["GET"])]
