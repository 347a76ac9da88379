"""What an emitter's input count contains: decided by who wrote the span, not by its attribute names.

The conventions' text says that input includes cached tokens. These emitters pass on Bedrock's own numbers,
which exclude them (measured on captures of opentelemetry-instrumentation-botocore 0.66b1 and
opentelemetry-instrumentation-genai-bedrock 1.3b0).
"""

from typing import Final

INCLUSIVE: Final = "inclusive"
"""input contains cache_read and cache_write."""
EXCLUSIVE: Final = "exclusive"
"""input contains neither."""

BY_SPECIFICATION: Final = "specification"
BY_EMITTER: Final = "emitter"
BY_ARITHMETIC: Final = "arithmetic"
"""cache_read + cache_write > input proves that input contains neither."""

EXCLUSIVE_EMITTERS: Final = (
    "opentelemetry.instrumentation.botocore.bedrock-runtime",
    "opentelemetry.instrumentation.genai.bedrock",
)
