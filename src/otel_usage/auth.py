"""Who may send and read: the key in the `X-API-Key` header, and the tenant it stands for."""

import hmac
from dataclasses import dataclass
from typing import Final, Self

from otel_usage.config import Settings
from otel_usage.model import Permanent, Unauthenticated

HEADER: Final = "X-API-Key"
"""The header on REST and OTLP/HTTP; in lower case, the metadata key on gRPC."""
DEFAULT_TENANT: Final = "default"


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The keys that are known. None at all: the server is open, which it may be on loopback only."""

    key: bytes | None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The one key of OTEL_USAGE_API_KEY; an empty one counts as none.

        Raises Permanent for a key that no header can carry.
        """
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        if not (key.isascii() and key.isprintable() and key == key.strip()):
            raise Permanent(
                "OTEL_USAGE_API_KEY must be printable ASCII without spaces around it.", field="api_key"
            )
        return cls(key.encode() or None)

    @property
    def open(self) -> bool:
        """Whether anyone may send and read."""
        return self.key is None

    def tenant(self, header_value: str | None) -> str:
        """The tenant of a request that showed `header_value`. Raises Unauthenticated."""
        if self.key is None:
            return DEFAULT_TENANT
        if header_value is None:
            raise Unauthenticated(f"The header {HEADER} is missing.")
        if not hmac.compare_digest(self.key, header_value.encode(errors="surrogatepass")):
            raise Unauthenticated(f"The key in {HEADER} is not known.")
        return DEFAULT_TENANT
