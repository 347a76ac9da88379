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

AUDIO_DURATION: Final = "otel_usage.audio.duration"
"""Seconds of audio: heard if the usage type is `audio_stt`, made if it is `audio_tts`."""
INPUT_CHARACTERS: Final = "otel_usage.input.characters"
"""Characters of text sent to be spoken."""
WEB_SEARCHES: Final = "otel_usage.web_searches"
"""Web searches that the provider made to answer."""
RERANK_SEARCHES: Final = "otel_usage.rerank_searches"
"""Searches of a reranking, as its provider counts them."""
OUTPUT_IMAGES: Final = "otel_usage.output.images"
"""Images that the model made."""

CUSTOMER: Final = "customer"
SYSTEM: Final = "system"
CONTEXTS: Final = (CUSTOMER, SYSTEM)

TEXT: Final = "text"
EMBEDDING: Final = "embedding"
AUDIO_STT: Final = "audio_stt"
AUDIO_TTS: Final = "audio_tts"
USAGE_TYPES: Final = (TEXT, EMBEDDING, AUDIO_STT, AUDIO_TTS)

MAX_ID: Final = 256
"""Characters of an account, transaction or idempotency id. A longer one is refused, never cut:
a cut id could be another account's."""

MAX_AUDIO_SECONDS: Final = 7 * 86_400
"""A week of audio in one call is a fault of its teller."""
