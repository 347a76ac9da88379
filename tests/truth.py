"""Captured telemetry, and the truth about it: what the provider counted, and what it costs.

The captures are real requests of LLM instrumentations, recorded against a fake provider; the JSON beside each
says what the provider counted, and what of it can be known from the capture. They are not part of this
repository: the folder is named by CAPTURES, or is `../shared/captures` beside the checkout.

The oracle of prices is genai-prices' own `calc_price`, but where its data is known to be wrong (CORRECTED).
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from genai_prices import Usage, calc_price
from genai_prices.types import ModelPrice
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_usage.model import Signal

Counts = Mapping[str, int | None]
"""Tokens by our columns. None: lost, or not reported."""

NAMES: Final = {
    "input_tokens": "input_total",
    "output_tokens": "output_total",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "reasoning_tokens": "reasoning",
    "input_audio_tokens": "audio_in",
    "output_audio_tokens": "audio_out",
}
"""Column of ours: name in the truth."""

_UNITS: Final = dict(zip(NAMES, NAMES, strict=True)) | {"reasoning_tokens": "output_reasoning_tokens"}
"""Column of ours: name in genai-prices."""
CORRECTED: Final[Mapping[tuple[str, str], ModelPrice]] = {
    # Its meaning since 2025-12-02: simonw/llm-prices#63, litellm@1.109.1 mistral/mistral-large-latest.
    ("mistral", "mistral-large-latest"): ModelPrice(
        input_mtok=Decimal("0.5"), output_mtok=Decimal("1.5"), cache_read_mtok=Decimal("0.05")
    ),
    # Sound is charged as text without it: litellm@1.109.1 gpt-4o-audio-preview-2025-06-03.
    ("openai", "gpt-4o-audio-preview-2025-06-03"): ModelPrice(
        input_mtok=Decimal("2.5"),
        output_mtok=Decimal(10),
        input_audio_mtok=Decimal(40),
        output_audio_mtok=Decimal(80),
    ),
}
"""Provider and model: the price that holds, where genai-prices has another one; with the source."""
_PROVIDERS: Final = {"bedrock": "aws"}
_STANDARD: Final = (None, "", "default", "standard", "auto")
_MADE: Final = datetime(2026, 11, 23, tzinfo=UTC)
"""When the captures were made."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a call's price depends on, besides its tokens."""

    provider: str
    model: str
    service_tier: str

    def dollars(self, counts: Counts, at: datetime = _MADE) -> Decimal | None:
        """What a call with these tokens costs by genai-prices. None: unknown, as tokens or price are."""
        if counts["input_tokens"] is None or counts["output_tokens"] is None:
            return None
        usage = Usage(**{_UNITS[name]: count for name, count in counts.items() if count is not None})
        if corrected := CORRECTED.get((self.provider, self.model)):
            return corrected.calc_price(usage)["total_price"].quantize(Decimal("1e-18"))
        context = {"service_tier": self.service_tier} if self.service_tier else None
        try:
            price = calc_price(
                usage,
                self.model,
                provider_id=self.provider,
                genai_request_timestamp=at,
                price_context=context,
            )
        except LookupError:
            return None
        return price.total_price.quantize(Decimal("1e-18"))


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the truth has it."""

    kind: Kind
    response_id: str
    true: Counts
    """What the provider counted."""
    told: Counts
    """What of it the capture tells, by those who made it; None is lost."""
    lost: Sequence[str]
    """What they say is lost."""
    evidence: frozenset[str]
    """The ids, in hex, of the spans that are of this call."""
    claimed: frozenset[int]
    """What those spans say that is nothing the provider counted."""

    @property
    def known(self) -> bool:
        """Whether the capture says how many tokens the call took."""
        return self.told["input_tokens"] is not None and self.told["output_tokens"] is not None


@dataclass(frozen=True, slots=True)
class Capture:
    """The requests of one run, by signal, and the calls that were made in it."""

    library: str
    scenario: str
    bodies: Mapping[Signal, bytes]
    calls: Sequence[Call]

    @property
    def name(self) -> str:
        """Library and scenario."""
        return f"{self.library}/{self.scenario}"

    @property
    def trace_ids(self) -> frozenset[str]:
        """In hex, of all spans and log records."""
        ids = {each.trace_id for each in self._spans()} | {each.trace_id for each in self._records()}
        return frozenset(each.hex() for each in ids if any(each))

    @property
    def items(self) -> int:
        """How many spans, log records and data points there are."""
        return sum(1 for items in (self._spans(), self._records(), self._points()) for _ in items)

    def _spans(self) -> Iterator[Span]:
        request = ExportTraceServiceRequest.FromString(self.bodies.get(Signal.TRACES, b""))
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                yield from scope_spans.spans

    def _records(self) -> Iterator[LogRecord]:
        request = ExportLogsServiceRequest.FromString(self.bodies.get(Signal.LOGS, b""))
        for resource_logs in request.resource_logs:
            for scope_logs in resource_logs.scope_logs:
                yield from scope_logs.log_records

    def _points(self) -> Iterator[object]:
        request = ExportMetricsServiceRequest.FromString(self.bodies.get(Signal.METRICS, b""))
        for resource_metrics in request.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    kind = metric.WhichOneof("data")
                    yield from getattr(metric, kind).data_points if kind else ()


def folder() -> Path:
    """Where the captures are, if they are here at all."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "captures"
    return Path(os.environ.get("CAPTURES", beside))


def files() -> list[Path]:
    """The captured trace requests, of all libraries; none if the folder is not here."""
    return sorted(folder().glob("*/*.traces.pb"))


@cache
def captures() -> Sequence[Capture]:
    """All runs that exported anything, with the truth about them."""
    truths = (path for path in sorted(folder().glob("*/*.json")) if not path.name.endswith(".otlp.json"))
    return [each for each in map(_capture, truths) if each.bodies]


def _capture(path: Path) -> Capture:
    truth = json.loads(path.read_text())
    by_index = {call["index"]: call for call in truth["billable_calls"]}
    return Capture(
        library=truth["library"]["name"],
        scenario=path.stem,
        bodies={
            signal: body.read_bytes()
            for signal in Signal
            if (body := path.with_name(f"{path.stem}.{signal}.pb")).exists()
        },
        calls=[_call(by_index[row["call"]], row, truth["usage_spans"]) for row in truth["expected"]["rows"]],
    )


def _call(call: Mapping[str, Any], row: Mapping[str, Any], spans: Sequence[Mapping[str, Any]]) -> Call:
    tier = call["service_tier"]
    claims = [span["unmatched"].values() for span in spans if span["span_id"] in row["evidence_spans"]]
    return Call(
        kind=Kind(
            provider=_PROVIDERS.get(call["provider"], call["provider"]),
            model=call["response_model"] or call["request_model"],
            service_tier="" if tier in _STANDARD else tier,
        ),
        response_id=call["response_id"] or "",
        true={column: call["tokens"][name] for column, name in NAMES.items()},
        told={column: row["best_row"][name] for column, name in NAMES.items()},
        lost=row["lost"],
        evidence=frozenset(row["evidence_spans"]),
        claimed=frozenset(value for values in claims for value in values if isinstance(value, int)),
    )
