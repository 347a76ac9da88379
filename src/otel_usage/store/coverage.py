"""What metrics counted, beside what was billed of it: the one question asked of the table token_points."""

from dataclasses import dataclass
from decimal import Decimal
from string import Template
from typing import Final

from otel_usage.store.queries import BILLABLE, Statement

MAX_ROWS: Final = 1_000
"""Rows that an answer has at most."""

_DATED: Final = "[-@]20[0-9]{2}-?[0-9]{2}-?[0-9]{2}$"
"""How the name of a model ends if it has a date."""
_RATIO_DIGITS: Final = 4
_DAY_NS: Final = 86_400 * 10**9
_LOOK_BACK_NS: Final = 3_600 * 10**9
_EXPORT_INTERVAL_NS: Final = 5 * 60 * 10**9


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an emitter's metric counted of a service's tokens in some time, and what was billed of them.

    `model` is empty where the metric names none: that is of all models. `billed` is None where there are
    calls, and none says how many tokens of the type it had.
    """

    service_name: str
    emitter: str
    metric: str
    model: str
    token_type: str
    metered: int
    billed: int | None

    @property
    def ratio(self) -> Decimal | None:
        """Billed of metered, to four digits. Less than 1: calls are missing, or have missing usage."""
        return None if self.billed is None else round(Decimal(self.billed) / self.metered, _RATIO_DIGITS)


# `~` marks names to be found by the name without its date.
_COVER: Final = Template("""\
WITH
    points AS
    (
        SELECT
            service_name, scope_name, metric, model, token_type, temporality, start_at, at, value,
            lagInFrame(toNullable(value)) OVER counter AS previous
        FROM token_points FINAL
        WHERE tenant = {tenant:String}
            AND at > fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC')
            AND at <= fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
        WINDOW counter AS
            (PARTITION BY series, start_at ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    ),
    metered AS
    (
        SELECT
            service_name, scope_name, metric, model, token_type,
            sum(multiIf(
                temporality = 'delta' OR value < previous, value,
                previous IS NOT NULL, toUInt64(value - previous),
                start_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'), value,
                0)) AS tokens,
            [model, concat('~', replaceRegexpOne(model, {dated:String}, ''))] AS names
        FROM points
        WHERE at > fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
        GROUP BY service_name, scope_name, metric, model, token_type
        HAVING tokens > 0
    ),
    billed AS
    (
        SELECT
            service_name, name, count() AS calls,
            [
                toInt64(sum(input_tokens)),
                sum(input_tokens - ifNull(cache_read_tokens, 0) - ifNull(cache_write_tokens, 0)),
                toInt64(sum(cache_read_tokens)),
                toInt64(sum(cache_write_tokens)),
                toInt64(sum(output_tokens)),
                sum(output_tokens - ifNull(reasoning_tokens, 0)),
                toInt64(sum(reasoning_tokens))
            ] AS counts
        FROM
        (
            SELECT
                *,
                arrayDistinct(['', request_model, response_model, model_id]) AS names,
                match(if(response_model = '', request_model, response_model), {dated:String}) AS is_dated
            FROM usage_rows FINAL
        )
        ARRAY JOIN arrayConcat(names, if(is_dated, [], arrayMap(each -> concat('~', each), names))) AS name
        WHERE $billable AND tenant = {tenant:String}
            AND started_at >= fromUnixTimestamp64Nano({first_day_ns:Int64}, 'UTC')
            AND toUnixTimestamp64Nano(started_at) + duration_ns BETWEEN {early_ns:Int64} AND {to_ns:Int64}
            AND service_name IN (SELECT service_name FROM token_points WHERE tenant = {tenant:String})
        GROUP BY service_name, name
    )
SELECT
    service_name, scope_name, metric, model, token_type, tokens,
    if(countIf(calls > 0) = 0, 0, argMinIf(found, place, calls > 0)) AS billed_tokens
FROM
(
    SELECT service_name, scope_name, metric, model, token_type, tokens, name, place
    FROM metered
    ARRAY JOIN names AS name, arrayEnumerate(names) AS place
) AS asked
LEFT JOIN
(
    SELECT service_name, name, calls, token_type, found
    FROM billed
    ARRAY JOIN
        ['input', 'uncached_input', 'cache_read', 'cache_write', 'output', 'visible_output', 'reasoning']
            AS token_type,
        counts AS found
) AS told USING (service_name, name, token_type)
GROUP BY service_name, scope_name, metric, model, token_type, tokens
ORDER BY toInt64(tokens) - ifNull(billed_tokens, 0) DESC, service_name, scope_name, metric, model, token_type
LIMIT {limit:UInt32}""").substitute(billable=" AND ".join(BILLABLE))


def cover(tenant: str, from_ns: int, to_ns: int) -> Statement[Coverage]:
    """What metrics counted in (from_ns, to_ns], and what was billed of it; the largest gaps first.

    A cumulative counter counts by what it grew: since its last point, up to an hour before, or since it
    started, if that was in this time. One that fell has started anew. A call is billed when it ended. Those
    that ended up to five minutes before count too: their tokens may be in the first points.

    A call is of a model that it asked for, that answered, or as which the price book knows it. If there is
    none, a model with a date (gpt-4o-2024-08-06) is looked for without it, among the calls that tell no date.
    """
    early_ns = from_ns - _EXPORT_INTERVAL_NS
    parameters = {
        "tenant": tenant,
        "from_ns": from_ns,
        "to_ns": to_ns,
        "before_ns": from_ns - _LOOK_BACK_NS,
        "early_ns": early_ns,
        # Whole days, since a day is a partition; and a day more, for the calls that took long.
        "first_day_ns": (early_ns // _DAY_NS - 1) * _DAY_NS,
        "dated": _DATED,
        "limit": MAX_ROWS,
    }
    return Statement("cover", _COVER, parameters, Coverage)
