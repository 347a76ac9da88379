"""OBSERVATIONS to USAGE: the price in force when the call was made, for the model that answered."""

from otel_usage.pricing.book import PriceBook
from otel_usage.pricing.price import price

__all__ = ["PriceBook", "price"]
