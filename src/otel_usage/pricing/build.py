"""The price book, assembled: all sources in order of precedence, as one canonical document."""

import gzip
import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from genai_prices.types import Provider

from otel_usage.pricing.sources import corrections as corrected
from otel_usage.pricing.sources import genai, litellm, policy
from otel_usage.pricing.sources.form import SCHEMA, Dropped, Source, canonical
from otel_usage.pricing.sources.limits import Limits
from otel_usage.pricing.sources.litellm import Vendored


@dataclass(frozen=True, slots=True)
class Report:
    """What went into a book, and what did not."""

    models: Mapping[str, int]
    """How many models each source has, in order of precedence."""
    dropped: Sequence[Dropped]
    expired: Sequence[Dropped]
    """Corrections of which upstream has other prices now."""
    faults: Sequence[Dropped]
    """Of what was left out, what states a price that is none, and did not in the shipped files."""

    @property
    def reasons(self) -> Mapping[tuple[str, str], int]:
        """How many models were left out, by source and reason."""
        return Counter((each.source, each.reason) for each in self.dropped)


@dataclass(frozen=True, slots=True)
class Built:
    """A price book: its canonical JSON."""

    body: bytes
    report: Report

    @property
    def book_id(self) -> str:
        """SHA-256 of the body, in hex."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def packed(self) -> bytes:
        """The body as it is shipped: the same bytes whenever and wherever it is packed."""
        return gzip.compress(self.body, 9, mtime=0)


def build(
    genai_prices: tuple[str, Sequence[Provider]] | None = None,
    litellm_files: Sequence[Vendored] | None = None,
    corrections: bytes | None = None,
) -> Built:
    """The book of these sources; what is not given is what comes with this version. Nothing is downloaded.

    `genai_prices`: version and providers. `litellm_files`: the newest first; of an older one only the models
    that none before it has. Raises Permanent if a source cannot be read.
    """
    read = corrected.read(corrected.bundled() if corrections is None else corrections)
    upstream = [genai.source(*(genai_prices or genai.installed()), read.limits)]
    known: set[str] = set()
    for file in litellm.vendored() if litellm_files is None else litellm_files:
        entries = litellm.entries(file)
        upstream.append(litellm.source(file, read.limits, known))
        known |= {key.lower() for key in entries}
    ours = corrected.source(read, upstream)
    sources = [ours, *upstream, policy.source()]
    body = canonical({"schema": SCHEMA, "sources": [each.document for each in sources]})
    return Built(body, _report(sources, ours, _shipped_faults(read.limits)))


def _report(sources: Sequence[Source], corrections: Source, known: Collection[tuple[str, str]]) -> Report:
    dropped = [dropped for each in sources if each is not corrections for dropped in each.dropped]
    return Report(
        models={str(each): each.models for each in sources},
        dropped=dropped,
        expired=corrections.dropped,
        faults=[each for each in dropped if each.is_fault and (each.model, each.reason) not in known],
    )


def _shipped_faults(limits: Limits) -> Collection[tuple[str, str]]:
    """The models that the files of this version have no price of, and why: these are known."""
    shipped = [
        genai.source(*genai.installed(), limits),
        *(litellm.source(file, limits) for file in litellm.vendored()),
    ]
    return {(each.model, each.reason) for source in shipped for each in source.dropped if each.is_fault}
