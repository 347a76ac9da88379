"""Our own names for what calls are paid by, since no convention has any: for emitters of all languages."""

from typing import Final

from otel_usage.attributes import (
    AUDIO_DURATION,
    INPUT_CHARACTERS,
    OUTPUT_IMAGES,
    RERANK_SEARCHES,
    WEB_SEARCHES,
)
from otel_usage.dialects.dialect import AUDIO, Dialect

OWN: Final = Dialect(
    title="otel-usage: `record_usage()`, and whoever writes these attributes by hand",
    fields={
        AUDIO: (AUDIO_DURATION,),
        "input_characters": (INPUT_CHARACTERS,),
        "web_searches": (WEB_SEARCHES,),
        "rerank_searches": (RERANK_SEARCHES,),
        "output_images": (OUTPUT_IMAGES,),
    },
)
