"""A small application with an LLM bill: a help desk with two customers.

Nothing in it knows of the demo. It speaks to OpenAI by the real SDK, as `OPENAI_BASE_URL` and
`OPENAI_API_KEY` say, and exports OTLP over gRPC, to `OTEL_EXPORTER_OTLP_ENDPOINT`.
"""

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_usage import UsageInstrumentor, attribution, record_usage

HANDBOOK = "Be brief, be kind, and never promise a refund. " * 100


def main() -> None:
    """Serve two customers, then look at our own work."""
    tracing = TracerProvider()
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracing)
    OpenAIInstrumentor().instrument()  # a span for every call to OpenAI
    UsageInstrumentor().instrument()  # who pays, on every span

    openai = OpenAI()
    with attribution(account_id="acme", transaction_id="ticket-1"):
        answer(openai, "Where is my parcel?")
        answer_live(openai, "It still has not come!")  # the handbook is cached by now
        translate("Unde este coletul meu?")
    with attribution(account_id="globex", transaction_id="ticket-2"):
        answer_live(openai, "How do I change my address?", model="gpt-4o-mini")
        openai.embeddings.create(model="text-embedding-3-small", input="Customer has moved.")
        answer(openai, "Do you ship abroad?", model="house-llm-7b")  # in no price book
    review(openai)

    tracing.shutdown()  # returns when everything is exported


def answer(openai: OpenAI, question: str, model: str = "gpt-4o") -> None:
    """Answer a letter."""
    openai.chat.completions.create(model=model, messages=messages(question), max_completion_tokens=300)


def answer_live(openai: OpenAI, question: str, model: str = "gpt-4o") -> None:
    """Answer in a chat window, word by word."""
    stream = openai.chat.completions.create(
        model=model,
        messages=messages(question),
        max_completion_tokens=200,
        stream=True,
        stream_options={"include_usage": True},  # without it nobody learns what a stream cost
    )
    for _ in stream:
        pass


def messages(question: str) -> list[ChatCompletionMessageParam]:
    """The prompt: a long beginning that is always the same, so that it is cached."""
    return [{"role": "system", "content": HANDBOOK}, {"role": "user", "content": question}]


def translate(letter: str) -> None:
    """Ask a provider that nothing instruments, and record by hand what it reported."""
    _ = letter  # here goes the call to Anthropic
    record_usage("anthropic", "claude-sonnet-4-5", input_tokens=2200, output_tokens=180)


@attribution(context="system")
def review(openai: OpenAI) -> None:
    """Check our own work: no customer pays for it."""
    answer(openai, "Rate the answers of today.")


if __name__ == "__main__":
    main()
