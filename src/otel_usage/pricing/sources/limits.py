"""How dear a price may be before it is taken for a fault of its unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from otel_usage.pricing.sources.form import DEAREST


@dataclass(frozen=True, slots=True)
class Limits:
    """The limit for all models, and for those that are dearer in truth (dollars per price key)."""

    allowed: Mapping[str, Decimal] = field(default_factory=dict)
    """By the model's name without its path, in lower case."""

    def of(self, model: str) -> Decimal:
        """The highest price that the model may have."""
        return self.allowed.get(model.lower().rpartition("/")[2], DEAREST)
