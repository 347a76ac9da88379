"""The billing attributes an application puts on its spans.

The one place that names them: the instrumentation package writes them, the dialects read them.
"""

from typing import Final

ACCOUNT_ID: Final = "otel_usage.account.id"
"""Who is billed for the call."""
TRANSACTION_ID: Final = "otel_usage.transaction.id"
"""The caller's own business id for the work this call is part of."""
CONTEXT: Final = "otel_usage.context"
"""`customer` (billed to an account) or `system` (the operator's own use)."""
USAGE_TYPE: Final = "otel_usage.usage_type"
"""`text`, `embedding`, `audio_stt` or `audio_tts`."""

CUSTOMER: Final = "customer"
SYSTEM: Final = "system"
CONTEXTS: Final = (CUSTOMER, SYSTEM)

USAGE_TYPES: Final = ("text", "embedding", "audio_stt", "audio_tts")

MAX_ID: Final = 256
"""Characters of an account, transaction or idempotency id. A longer one is refused, never cut:
a cut id could be another account's."""
