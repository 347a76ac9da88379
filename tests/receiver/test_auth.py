"""Who may send: the key, on every wire."""

import pytest

from otel_usage.auth import DEFAULT_TENANT, Keys
from otel_usage.config import Settings
from otel_usage.model import Permanent, Signal, Unauthenticated
from tests.receiver.wires import WIRES, serving


def _keys(key: str | None) -> Keys:
    return Keys.from_settings(Settings.model_validate({"api_key": key}))


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_the_server_is_open_for_the_default_tenant(key: str | None) -> None:
    keys = _keys(key)
    assert keys.open
    assert {keys.tenant(None), keys.tenant(""), keys.tenant("anything")} == {DEFAULT_TENANT}


def test_with_a_key_only_that_key_is_let_in() -> None:
    keys = _keys("s3cret")
    assert not keys.open
    assert keys.tenant("s3cret") == DEFAULT_TENANT
    for wrong in ("", "S3cret", "s3cret ", "s3cre", "s3cret\0", "ключ", "\udcff", "\xe9"):
        with pytest.raises(Unauthenticated, match="not known"):
            keys.tenant(wrong)
    with pytest.raises(Unauthenticated, match="missing"):
        keys.tenant(None)


@pytest.mark.parametrize("key", ["ключ", " spaced", "new\nline", "caf\xe9"])
def test_a_key_that_no_header_can_carry_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(Permanent, match="OTEL_USAGE_API_KEY"):
        _keys(key)


def test_a_key_is_not_printed_by_accident() -> None:
    assert "s3cret" not in repr(_keys("s3cret"))


@pytest.mark.anyio
@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("wire", WIRES)
async def test_every_wire_asks_for_the_key(wire: str, signal: Signal) -> None:
    empty = b"{}" if wire == "http/json" else b""
    async with serving(api_key="s3cret") as server:
        for key in (None, "", "wrong"):
            reply = await server.send(wire, empty, signal=signal, key=key)
            assert reply.code in (16, 401)
            assert reply.retry_after is None
        assert server.door.taken == []
        assert (await server.send(wire, empty, signal=signal, key="s3cret")).ok
    assert server.door.taken == [(b"", DEFAULT_TENANT, signal)]
