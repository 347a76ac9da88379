"""OBSERVATIONS to USAGE: the price in force when the call was made, for the model that answered."""

from otel_usage.pricing.book import PriceBook
from otel_usage.pricing.price import price
from otel_usage.pricing.pricer import Pricer

__all__ = ["PriceBook", "Pricer", "price"]
