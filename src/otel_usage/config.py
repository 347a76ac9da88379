"""Every setting of the server, its default and its reason. Read once, in the CLI, and passed down.

Environment variables are `OTEL_USAGE_` and the name; the flag of `otel-usage serve` has the same name.
"""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Settings of `otel-usage serve`. Sizes are bytes, times are seconds."""

    model_config = SettingsConfigDict(env_prefix="OTEL_USAGE_", frozen=True, extra="ignore")

    dsn: str = Field(
        "chdb://./otel-usage-data",
        description="Where usage rows are kept: `chdb:///path` (embedded) or `http(s)://user:pass@host:8123/database`.",
    )
    grpc_address: str = Field("127.0.0.1:4317", description="OTLP/gRPC. The port OTLP is known by.")
    otlp_http_address: str = Field("127.0.0.1:4318", description="OTLP/HTTP. The port OTLP is known by.")
    api_address: str = Field("127.0.0.1:8080", description="REST API and health.")
    api_key: SecretStr | None = Field(
        None,
        description="Key that senders and readers must show in `X-API-Key`. "
        "Without one the server is open, and listens on loopback only.",
    )

    max_grpc_message_bytes: int = Field(
        4 * MIB,
        gt=0,
        description="Largest gRPC request, inflated. gRPC's own default; a larger one costs memory.",
    )
    max_http_body_bytes: int = Field(
        20 * MIB,
        gt=0,
        description="Largest OTLP/HTTP request, inflated. The OpenTelemetry Collector's default.",
    )
    http_read_timeout: float = Field(
        10.0, gt=0, description="An OTLP/HTTP body that has not come by then is given up: it holds memory."
    )
    max_record_body_bytes: int = Field(
        64 * 1024, gt=0, description="Largest body of a REST request: a record is 1 KB."
    )

    max_queue_bytes: int = Field(
        128 * MIB,
        gt=0,
        description="Requests that wait for a commit. Beyond it senders are told to retry.",
    )
    max_queue_requests: int = Field(
        10_000, gt=0, description="The same bound as a count, since a tiny request costs more than its bytes."
    )
    commit_rows: int = Field(
        65_536,
        gt=0,
        description="Spans in one commit, about. Larger parts merge less; beyond this the gain is gone.",
    )
    commit_bytes: int = Field(
        32 * MIB, gt=0, description="Request bytes in one commit: bounds the memory of a decode."
    )
    commit_linger: float = Field(
        0.005,
        ge=0,
        description="How long a commit waits for company while others are arriving. Idle: not at all.",
    )
    insert_timeout: float = Field(
        8.0, gt=0, description="A request not durable by then is answered 'retry': exporters give up at 10 s."
    )
    retry_after: float = Field(1.0, gt=0, description="What a sender we cannot serve now is asked to wait.")
    shutdown_timeout: float = Field(10.0, gt=0, description="How long SIGTERM waits for requests in flight.")

    memory_rows: int = Field(
        1 << 18,
        gt=1,
        description="Observations remembered, so that what comes later finds its call: 380 bytes each.",
    )
    sweep_interval: float = Field(
        5.0,
        gt=0,
        description="How often stored rows that came by different processes are resolved together. "
        "A sweep that takes long is followed by a longer pause.",
    )
    sweep_horizon: float = Field(
        900.0,
        gt=0,
        description="Rows written further apart, by different processes, are not resolved together.",
    )
    rollup_delay: float = Field(
        120.0,
        gt=0,
        description="A roll-up whose calls have not come by then is charged itself, until they come.",
    )

    price_refresh: float = Field(
        5.0,
        gt=0,
        description="How often the server looks whether other prices are in force, or another retention, "
        "and which accounts were erased.",
    )

    seal: bool = Field(
        default=True,
        description="Whether this server makes the sums that summaries are read from. "
        "In a cluster let one server of each shard do it.",
    )
    seal_interval: float = Field(
        30.0, gt=0, description="How often days are looked for whose sums are to be made."
    )
    seal_quiet: float = Field(
        60.0,
        ge=0,
        description="A day to which rows came since then is read from its rows: its sums would not last.",
    )
    seal_timeout: float = Field(600.0, gt=0, description="The sums of a day are given up after that time.")
    seal_memory_bytes: int = Field(
        1024 * MIB, gt=0, description="Memory to make sums in; half of it used, they are made on disk."
    )

    max_clock_skew: float = Field(
        86_400.0,
        ge=0,
        description="A call that starts later than now plus this is rejected: its day does not exist yet.",
    )
    query_timeout: float = Field(30.0, gt=0, description="A query still running then is cancelled.")
    query_memory_bytes: int = Field(2048 * MIB, gt=0, description="Memory one query may use in ClickHouse.")
    read_clients: int = Field(4, gt=0, description="Queries at once: two cores are saturated by four.")
