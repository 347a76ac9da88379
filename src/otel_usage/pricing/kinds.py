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
    IMAGES_IN_TOKENS,
    INPUT_AUDIO,
    INPUT_AUDIO_IN_TOKENS,
    INPUT_TOKENS,
    NOTHING,
    OUTPUT_AUDIO,
    OUTPUT_AUDIO_IN_TOKENS,
    OUTPUT_TOKENS,
    SEARCHES,
    TOKENS,
    Kind,
    Quote,
)
from otel_usage.pricing.rules import Rules

_NAMES: Final = ("provider", "response_model", "request_model", "service_tier")
_TOKENS: Final = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
_QUANTITIES: Final = {
    "input_audio_ns": INPUT_AUDIO,
    "output_audio_ns": OUTPUT_AUDIO,
    "input_characters": CHARACTERS,
    "rerank_searches": SEARCHES,
    "output_images": IMAGES,
}
_IN_TOKENS: Final = {
    "input_audio_tokens": (INPUT_AUDIO, INPUT_AUDIO_IN_TOKENS),
    "output_audio_tokens": (OUTPUT_AUDIO, OUTPUT_AUDIO_IN_TOKENS),
    "output_image_tokens": (IMAGES, IMAGES_IN_TOKENS),
}

Counts = Mapping[str, npt.NDArray[np.int64]]


def quotes(observations: pa.Table, counts: Counts, pricer: Pricer) -> tuple[Sequence[Quote], Rows]:
    """The quotes of the kinds of calls there are, and per row which is its."""
    names = [Names.of(observations[name]) for name in _NAMES]
    told = _told(observations, counts)
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


def _told(observations: pa.Table, counts: Counts) -> npt.NDArray[np.int64]:
    """The measures that each call is told in. One that is told in none has its tokens unknown."""
    rows = len(observations)
    if not any(name in counts for name in _QUANTITIES):
        return np.full(rows, TOKENS)
    told, tokens = _used(counts, _QUANTITIES, rows), _used(counts, _TOKENS, rows)
    for name, (measure, in_tokens) in _IN_TOKENS.items():
        if name in counts:
            told[(told & measure > 0) & (counts[name] > 0)] |= in_tokens
    some, nothing = told > 0, (told == 0) & (tokens == 0)
    for name, bit in _QUANTITIES.items():
        if name in counts and nothing.any():
            told[nothing & observations[name].is_valid().to_numpy()] |= bit | NOTHING
    return np.where(some, told | tokens, told | TOKENS)


def _used(counts: Counts, measures: Mapping[str, int], rows: int) -> npt.NDArray[np.int64]:
    told = np.zeros(rows, np.int64)
    for name, bit in measures.items():
        if name in counts:
            told |= np.where(counts[name] > 0, bit, 0)
    return told


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
