"""The measures that a call is told in: which of them are charged, and which another one pays.

Tokens, seconds, characters and images may measure the same. What a model hears is in its input tokens, what
it says or draws in its output tokens; but speech is in no input tokens, and text in no seconds. So:

- A measure that has a price is charged. Of a source that states one price in several measures only one of
  the same is: tokens that are known to be audio before the time of it, that before other tokens of its side,
  and characters last. The time of audio heard pays for its transcript too.
- One that has none is paid by another only where that measures the same. Tokens pay for audio or images if
  the call says how many of them are such, or if those cost the same. Input tokens pay for characters, and for
  the searches of a model that only reads; characters pay for the speech made of them, and audio for the
  characters spoken. Tokens of a model that has no price of tokens are paid by whatever it is paid by.
- Whatever else has no price leaves the cost of the call unknown: nothing is free by accident.
"""

from typing import Final

from otel_usage.pricing import rate
from otel_usage.pricing.quote import (
    CHARACTERS,
    IMAGES,
    IMAGES_IN_TOKENS,
    INPUT_AUDIO,
    INPUT_AUDIO_IN_TOKENS,
    INPUT_TOKENS,
    OUTPUT_AUDIO,
    OUTPUT_AUDIO_IN_TOKENS,
    OUTPUT_TOKENS,
    SEARCHES,
    TOKENS,
)

_KEYS: Final = {
    INPUT_AUDIO: rate.DURATIONS["input_audio_ns"],
    OUTPUT_AUDIO: rate.DURATIONS["output_audio_ns"],
    CHARACTERS: ("input_mchars",),
    SEARCHES: ("rerank_searches_kcount",),
    IMAGES: ("output_images_kcount",),
}
"""The price keys of the measures that are no tokens."""
_COUNTS: Final = {
    CHARACTERS: ("input_characters",),
    SEARCHES: ("rerank_searches",),
    IMAGES: ("output_images",),
    INPUT_TOKENS: (
        *("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
        *("input_audio_tokens", "cache_read_audio_tokens", "input_image_tokens"),
    ),
    OUTPUT_TOKENS: ("output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens"),
}
"""Of `rate.UNITS` those that each measure is counted in."""


def charged(prices: rate.Prices, told: int, *, stated_once: bool) -> int:
    """The told measures that have a price of their own which is to be paid."""
    result = _priced(prices) & told
    if not stated_once:
        return result
    result &= ~_in_tokens(prices, told, result)
    if result & INPUT_AUDIO:
        result &= ~TOKENS
    if result & OUTPUT_AUDIO:
        result &= ~OUTPUT_TOKENS
    spoken = result & (INPUT_TOKENS | INPUT_AUDIO | OUTPUT_AUDIO)
    return result & ~CHARACTERS if spoken else result


def paid(prices: rate.Prices, told: int, charged: int) -> int:
    """The measures that are charged, and those that are paid by these."""
    result = charged | _in_tokens(prices, told, charged)
    if charged & (INPUT_TOKENS | INPUT_AUDIO | OUTPUT_AUDIO):
        result |= CHARACTERS
    if charged & INPUT_TOKENS and not _priced(prices) & OUTPUT_TOKENS:
        result |= SEARCHES
    if charged & CHARACTERS:
        result |= OUTPUT_AUDIO
    return result | TOKENS if charged and not charged & TOKENS else result


def held(prices: rate.Prices, charged: int) -> rate.Prices:
    """The prices of what is charged, and of what has no measure: searches of the web, calls."""
    kept = {key for bit, keys in _KEYS.items() if charged & bit for key in keys}
    left_out = {key for bit, keys in _KEYS.items() if not charged & bit for key in keys} - kept
    if not charged & INPUT_AUDIO:
        left_out |= {*rate.MINIMUMS.values()}
    if charged & (INPUT_AUDIO | OUTPUT_AUDIO):
        left_out |= {key for key, count in rate.price_keys().items() if count in _uncharged_tokens(charged)}
    return {key: value for key, value in prices.items() if key not in left_out}


def covered(prices: rate.Prices, charged: int, paid: int) -> tuple[bool, ...]:
    """Per count of `rate.UNITS`, whether its cost is known: it has a price, or another measure pays."""
    by_other = paid & ~charged
    names = {name for bit, counts in _COUNTS.items() if by_other & bit for name in counts}
    known = zip(rate.UNITS, rate.covered(prices), strict=True)
    return tuple(has_price or name in names for name, has_price in known)


def _priced(prices: rate.Prices) -> int:
    """The measures that have a price, or of tokens some kind of them."""
    priced = {name for name, has_price in zip(rate.UNITS, rate.covered(prices), strict=True) if has_price}
    tokens = sum(bit for bit in (INPUT_TOKENS, OUTPUT_TOKENS) if not priced.isdisjoint(_COUNTS[bit]))
    return tokens | sum(bit for bit, keys in _KEYS.items() if any(key in prices for key in keys))


def _in_tokens(prices: rate.Prices, told: int, charged: int) -> int:
    """The audio and images that are in tokens which are charged, at a price that is known."""
    result = 0
    if charged & INPUT_TOKENS and (
        told & INPUT_AUDIO_IN_TOKENS or _equal(prices, "input_audio_mtok", "input_mtok")
    ):
        result |= INPUT_AUDIO
    if charged & OUTPUT_TOKENS:
        if told & OUTPUT_AUDIO_IN_TOKENS or _equal(prices, "output_audio_mtok", "output_mtok"):
            result |= OUTPUT_AUDIO
        if told & IMAGES_IN_TOKENS or _draws(prices):
            result |= IMAGES
    return result


def _equal(prices: rate.Prices, kind: str, all_kinds: str) -> bool:
    return kind in prices and prices[kind] == prices.get(all_kinds)


def _draws(prices: rate.Prices) -> bool:
    """Whether images are tokens like any other that the model writes: it has a price for those it reads."""
    if "output_image_mtok" in prices:
        return _equal(prices, "output_image_mtok", "output_mtok")
    return "input_image_mtok" in prices


def _uncharged_tokens(charged: int) -> frozenset[str]:
    return frozenset(
        count for bit in (INPUT_TOKENS, OUTPUT_TOKENS) if not charged & bit for count in _COUNTS[bit]
    )
