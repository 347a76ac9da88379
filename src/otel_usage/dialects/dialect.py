"""What a dialect is: names of attributes by canonical field, and what its words for operations mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Aliases = tuple[str, ...]
"""Attribute names that carry one field, in order: the first that a span has counts."""

NAME_FIELDS: Final = (
    "provider",
    "request_model",
    "response_model",
    "service_tier",
    "region",
    "error_type",
    "host",
)
"""Texts with few distinct values. `host` is a host name or a URL: it tells provider and region."""
TEXT_FIELDS: Final = ("response_id",)
AUDIO: Final = "audio_seconds"
"""Seconds of audio, heard or made: which of them, the usage type of the call says."""
QUANTITY_FIELDS: Final = (AUDIO, "input_characters", "web_searches", "rerank_searches", "output_images")
"""What calls are paid by beside tokens."""
TOTAL: Final = "total_tokens"
"""A sum that the emitter reports. It is compared with other counts, and never makes one."""

CHAT: Final = "chat"
COMPLETION: Final = "text_completion"
CONTENT: Final = "generate_content"
EMBEDDINGS: Final = "embeddings"
INFERENCES: Final = (CHAT, CONTENT, COMPLETION, EMBEDDINGS)
"""The operations, in OpenTelemetry's words, that are one call to a model, whatever else a span says."""
RERANK: Final = "rerank"
IMAGE: Final = "generate_image"
SPEECH: Final = "text_to_speech"
TRANSCRIPTION: Final = "speech_to_text"
INFERENCES_IF_USED: Final = (RERANK, IMAGE, SPEECH, TRANSCRIPTION)
"""Calls to models that are mostly not paid by the token: calls if their span tells usage, else not ours."""
AGENT: Final = "invoke_agent"
WORKFLOW: Final = "invoke_workflow"
TASK: Final = "execute_task"
TOOL: Final = "execute_tool"
RETRIEVAL: Final = "retrieval"
PAYLOAD: Final = "raw_payload"
"""The provider's own words for a call that another span tells."""
ROLLUPS: Final = (AGENT, WORKFLOW, TASK, TOOL, RETRIEVAL, PAYLOAD)
"""Operations around calls. Tokens on their spans repeat those of the calls inside. So do those of operations
that no dialect here knows."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An attribute that says what a span is; what its values, in any case, are in OpenTelemetry's words."""

    attribute: str
    operations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One attribute language for LLM telemetry."""

    title: str
    """Who writes it, in one line."""
    fields: Mapping[str, Aliases]
    """By canonical field (NAME_FIELDS, TEXT_FIELDS, TOTAL, QUANTITY_FIELDS or a count of `model`) the names
    that carry it, the newest first."""
    kinds: Sequence[Kind] = ()
    span_names: Mapping[str, str] = field(default_factory=dict)
    """Names of spans, in any case, and their operations: for spans whose attributes do not say it."""
    scopes: Aliases = ()
    """If any: patterns of the emitters (as of `fnmatch`) that the names are valid for. Such names are too
    common to be read anywhere else."""
    prefixes: Aliases = ()
    """Attributes that begin so tell usage or cost. Those that carry no canonical field are kept aside in
    `other_usage`, totals and costs among them."""
    cannot_tell: Sequence[str] = ()
    """What its emitters leave out: for those who choose one."""
