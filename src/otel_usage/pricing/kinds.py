"""The kinds of calls among rows, and the quote of each: what is the same for many is asked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage.names import Integers, Names, Rows, groups
from otel_usage.pricing.listed import BUCKET_NS
from otel_usage.pricing.pricer import Pricer
from otel_usage.pricing.quote import (
    CHARACTERS,
    IMAGES,
    INPUT_AUDIO,
    OUTPUT_AUDIO,
    SEARCHES,
    TOKENS,
    Kind,
    Quote,
)
from otel_usage.pricing.rules import Rules

_NAMES: Final = ("provider", "response_model", "request_model", "service_tier")
_MEASURES: Final = {
    "input_audio_ns": INPUT_AUDIO,
    "output_audio_ns": OUTPUT_AUDIO,
    "input_characters": CHARACTERS,
    "rerank_searches": SEARCHES,
    "output_images": IMAGES,
}

Counts = Mapping[str, npt.NDArray[np.int64]]


def quotes(observations: pa.Table, counts: Counts, pricer: Pricer) -> tuple[Sequence[Quote], Rows]:
    """The quotes of the kinds of calls there are, and per row which is its."""
    names = [Names.of(observations[name]) for name in _NAMES]
    told = _told(counts, len(observations))
    ruled = _Ruled.of(observations, pricer.rules) if pricer.rules.tenants else None
    first, kind = groups([*(name.index for name in names), told, *(ruled.keys if ruled else ())])
    texts = (name.take(first).texts() for name in names)
    kinds = [Kind(*each) for each in zip(*texts, told[first].tolist(), strict=True)]
    if ruled:
        kinds = ruled.of_kinds(kinds, first)
    dated = np.array([pricer.is_dated(each) for each in kinds], dtype=np.bool_)
    if not dated.any():
        return [pricer.quote(each) for each in kinds], kind
    bucket = observations["started_at"].to_numpy().astype(np.int64) // BUCKET_NS
    bucket = np.where(dated[kind], bucket, bucket.min())
    first, finer = groups([kind, bucket - bucket.min()])
    # Of a call whose price has no date the bucket is the same always, so that its quote is found again.
    return [
        pricer.quote(kinds[number]._replace(bucket=int(bucket[row]) if dated[number] else 0))
        for row, number in zip(first.tolist(), kind[first].tolist(), strict=True)
    ], finer


def _told(counts: Counts, rows: int) -> npt.NDArray[np.int64]:
    """The measures that each call is told in. One that is told in none has its tokens unknown."""
    if not any(name in counts for name in _MEASURES):
        return np.full(rows, TOKENS)
    told = np.zeros(rows, np.int64)
    for name in ("input_tokens", "output_tokens"):
        if name in counts:
            told[counts[name] > 0] |= TOKENS
    for name, bit in _MEASURES.items():
        if name in counts:
            told[counts[name] > 0] |= bit
    return np.where(told == 0, TOKENS, told)


@dataclass(frozen=True, slots=True)
class _Ruled:
    """Tenant and account of each row, empty where no rule is theirs; after how many bounds of rules it is."""

    tenant: Names
    account: Names
    interval: npt.NDArray[np.int64]

    @classmethod
    def of(cls, observations: pa.Table, rules: Rules) -> Self:
        tenant = _only(Names.of(observations["tenant"]), rules.tenants)
        known = {account for each in rules.tenants for account in rules.accounts(each)}
        account = _only(Names.of(observations["account_id"]), known)
        started_at = observations["started_at"].to_numpy().astype(np.int64)
        interval = np.searchsorted(np.array(rules.boundaries), started_at, side="right")
        return cls(tenant, account, np.where(tenant.non_empty(), interval, 0))

    @property
    def keys(self) -> Sequence[Integers]:
        return self.tenant.index, self.account.index, self.interval

    def of_kinds(self, kinds: Sequence[Kind], first: Rows) -> list[Kind]:
        """The kinds with what their first rows have."""
        told = zip(
            kinds,
            self.tenant.take(first).texts(),
            self.account.take(first).texts(),
            self.interval[first].tolist(),
            strict=True,
        )
        return [
            kind._replace(tenant=tenant, account_id=account, interval=interval)
            for kind, tenant, account, interval in told
        ]


def _only(names: Names, known: frozenset[str] | set[str]) -> Names:
    """The names that are known; the others as the empty one."""
    texts = names.dictionary.to_pylist()
    held = [text for text in texts if text in known and text]
    number = {text: i for i, text in enumerate(["", *held])}
    places = np.array([number.get(text, 0) for text in texts] or [0], np.int32)
    return Names(places[names.index], pa.array(["", *held]))
