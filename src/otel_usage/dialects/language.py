"""Dialects merged into one table: for each canonical field every name that carries it, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from otel_usage.dialects.dialect import (
    AUDIO,
    NAME_FIELDS,
    QUANTITY_FIELDS,
    TEXT_FIELDS,
    TOTAL,
    Aliases,
    Dialect,
    Kind,
)
from otel_usage.model import TOKEN_COLUMNS


@dataclass(frozen=True, slots=True)
class Confined:
    """Names that are valid only for emitters whose name matches one of the patterns."""

    scopes: Aliases
    names: Aliases


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """What the attributes of one signal mean. Of several names for a field the first that is there counts."""

    names: Mapping[str, Aliases]
    """By field of NAME_FIELDS."""
    texts: Mapping[str, Aliases]
    """By field of TEXT_FIELDS."""
    tokens: Mapping[str, Aliases]
    """By count of TOKEN_COLUMNS that any dialect has."""
    quantities: Mapping[str, Aliases]
    """By field of QUANTITY_FIELDS."""
    counts: Mapping[str, Aliases]
    """`tokens`, and those of `quantities` that are counts."""
    totals: Aliases
    """Sums of counts, as emitters report them. All begin with one of the prefixes."""
    kinds: Sequence[Kind]
    """The attributes that say what a span is, their values in lower case; the first known one decides."""
    span_names: Mapping[str, str]
    """By name in lower case, the operation of spans of which no attribute says what they are."""
    confined: Sequence[Confined]
    prefixes: Aliases
    """Attributes that begin so tell usage or cost: see `Dialect.prefixes`."""

    @property
    def attributes(self) -> Aliases:
        """Every name, once."""
        told = (self.names, self.texts, self.tokens, self.quantities)
        groups = (names for each in told for names in each.values())
        return tuple(dict.fromkeys(chain(*groups, (kind.attribute for kind in self.kinds))))

    @property
    def used(self) -> Aliases:
        """The names that tell that something was used."""
        tokens = self.tokens["input_tokens"], self.tokens["output_tokens"]
        return tuple(chain(*tokens, *self.quantities.values()))


def merge(dialects: Sequence[Dialect]) -> Language:
    """The language that all these dialects are of; names of earlier ones come first."""
    tokens = {field: names for field, names in _merged(dialects, TOKEN_COLUMNS).items() if names}
    quantities = _merged(dialects, QUANTITY_FIELDS)
    return Language(
        names=_merged(dialects, NAME_FIELDS),
        texts=_merged(dialects, TEXT_FIELDS),
        tokens=tokens,
        quantities=quantities,
        counts={**tokens, **{field: names for field, names in quantities.items() if field != AUDIO}},
        totals=_merged(dialects, (TOTAL,))[TOTAL],
        kinds=_kinds(dialects),
        span_names={
            name.lower(): operation for each in dialects for name, operation in each.span_names.items()
        },
        confined=[
            Confined(each.scopes, tuple(chain(*each.fields.values()))) for each in dialects if each.scopes
        ],
        prefixes=tuple(dict.fromkeys(chain(*(each.prefixes for each in dialects)))),
    )


def _merged(dialects: Sequence[Dialect], fields: Sequence[str]) -> Mapping[str, Aliases]:
    return {
        field: tuple(dict.fromkeys(chain(*(each.fields.get(field, ()) for each in dialects))))
        for field in fields
    }


def _kinds(dialects: Sequence[Dialect]) -> Sequence[Kind]:
    """The kinds by attribute: what several dialects say of one attribute is put together."""
    merged: dict[str, dict[str, str]] = {}
    for kind in chain(*(each.kinds for each in dialects)):
        lowered = {value.lower(): operation for value, operation in kind.operations.items()}
        merged.setdefault(kind.attribute, {}).update(lowered)
    return [Kind(attribute, operations) for attribute, operations in merged.items()]
