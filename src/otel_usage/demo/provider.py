"""A stand-in for OpenAI on the loopback: the wire format is real, the model is not.

It counts every word and every mark of punctuation as one token, answers with as many tokens as it is
allowed, and caches prompts by OpenAI's rule. So the bill of a program can be worked out on paper.
"""

import base64
import json
import re
import secrets
import string
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

SNAPSHOTS: Final = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
"""The dated model that answers for an alias. Any other name answers as itself."""
DEFAULT_ANSWER: Final = 20
"""Tokens of an answer whose request does not limit it."""
DIMENSIONS: Final = 1536
CACHE_MINIMUM: Final = 1024
CACHE_STEP: Final = 128
"""A prompt that begins like an earlier one has that beginning cached, if it is at least 1,024 tokens
long, in steps of 128. Source: OpenAI's guide to prompt caching."""


def count_tokens(text: str) -> int:
    """Tokens of a text by the stand-in's rule."""
    return len(_tokens(text))


class StandInProvider:
    """Serves `POST /v1/chat/completions` and `/v1/embeddings` on a free port while entered."""

    def __init__(self) -> None:
        self._memory = _Memory()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._memory))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its `base_url`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def calls(self) -> int:
        """Calls answered so far."""
        return self._memory.calls

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class _Usage:
    """Tokens of one call; input contains cached."""

    input: int
    cached: int
    output: int

    def as_json(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


class _Memory:
    """What the stand-in remembers: how many calls it answered, and the prompts, by model."""

    def __init__(self) -> None:
        self.calls = 0
        self._prompts: dict[str, list[list[str]]] = {}
        self._lock = threading.Lock()

    def count_call(self) -> None:
        with self._lock:
            self.calls += 1

    def cached(self, model: str, prompt: list[str]) -> int:
        """Tokens of the prompt's beginning that are cached; the prompt is remembered for the next call."""
        with self._lock:
            seen = self._prompts.setdefault(model, [])
            common = max((_common_prefix(prompt, earlier) for earlier in seen), default=0)
            seen.append(prompt)
        return common - common % CACHE_STEP if common >= CACHE_MINIMUM else 0


def _handler(memory: _Memory) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/v1/chat/completions":
                memory.count_call()
                self._chat(request)
            elif self.path == "/v1/embeddings":
                memory.count_call()
                self._send_json(HTTPStatus.OK, _embeddings(request))
            else:
                error = {"message": f"Unknown request URL: POST {self.path}", "type": "invalid_request_error"}
                self._send_json(HTTPStatus.NOT_FOUND, {"error": error})

        def _chat(self, request: dict[str, Any]) -> None:
            prompt = _tokens(" ".join(str(message["content"]) for message in request["messages"]))
            usage = _Usage(
                input=len(prompt),
                cached=memory.cached(request["model"], prompt),
                output=request.get("max_completion_tokens") or DEFAULT_ANSWER,
            )
            if request.get("stream"):
                self._send_events(_chunks(request, usage))
            else:
                self._send_json(HTTPStatus.OK, _completion(request, usage))

        def _send_json(self, status: HTTPStatus, body: dict[str, Any]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def _send_events(self, events: Iterator[str]) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Connection", "close")
            self.end_headers()
            for event in events:
                self.wfile.write(f"data: {event}\n\n".encode())
                self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: the program under way does the talking."""

    return Handler


def _completion(request: dict[str, Any], usage: _Usage) -> dict[str, Any]:
    message = {"role": "assistant", "content": " ".join(_answer(usage.output)), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _head(request, "chat.completion") | {"choices": [choice], "usage": usage.as_json()}


def _chunks(request: dict[str, Any], usage: _Usage) -> Iterator[str]:
    head = _head(request, "chat.completion.chunk")
    include_usage = (request.get("stream_options") or {}).get("include_usage")
    pending = {"usage": None} if include_usage else {}
    words = [{"content": word + " "} for word in _answer(usage.output)]
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}, *words, {}]
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"}
        yield json.dumps(head | {"choices": [choice]} | pending)
    if include_usage:
        yield json.dumps(head | {"choices": [], "usage": usage.as_json()})
    yield "[DONE]"


def _head(request: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(29)),
        "object": kind,
        "created": int(time.time()),
        "model": SNAPSHOTS.get(request["model"], request["model"]),
        "service_tier": "default",
        "system_fingerprint": "fp_5f20662549",
    }


def _embeddings(request: dict[str, Any]) -> dict[str, Any]:
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    tokens = sum(count_tokens(text) for text in texts)
    vector = _vector(request)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))],
        "model": SNAPSHOTS.get(request["model"], request["model"]),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _vector(request: dict[str, Any]) -> str | list[float]:
    dimensions = request.get("dimensions") or DIMENSIONS
    if request.get("encoding_format") == "base64":
        return base64.b64encode(bytes(4 * dimensions)).decode()
    return [0.0] * dimensions


def _answer(tokens: int) -> list[str]:
    return ["indeed"] * tokens


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _common_prefix(one: list[str], other: list[str]) -> int:
    differing = (index for index, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(one), len(other)))
