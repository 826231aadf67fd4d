"""The body cap, as far as it needs no socket."""

import gzip
import tracemalloc
from collections.abc import Iterator

import httpx
import pytest

from lms.transport import MAX_BODY, _Capped


class Stream(httpx.SyncByteStream):
    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)


def read(*parts: bytes, encoding: str = "", cap: int = 1000) -> bytes:
    return b"".join(_Capped(Stream(*parts), encoding, cap))


def test_a_body_up_to_the_cap_is_read() -> None:
    assert read(b"x" * 600, b"y" * 400) == b"x" * 600 + b"y" * 400
    assert read(gzip.compress(b"z" * 1000), encoding="gzip") == b"z" * 1000


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_beyond_the_cap_is_not(encoding: str) -> None:
    """D15."""
    body = b"x" * 1001
    with pytest.raises(httpx.DecodingError):
        read(gzip.compress(body) if encoding else body, encoding=encoding)


def test_packed_parts_may_be_cut_anywhere() -> None:
    packed = gzip.compress(b"abc" * 300)
    assert read(*(packed[n : n + 1] for n in range(len(packed))), encoding="GZIP ") == b"abc" * 300


def test_a_bomb_is_not_unpacked_beyond_the_cap() -> None:
    """D15: sixty-four mebibytes in sixty-four kibibytes."""
    bomb = gzip.compress(b"\0" * (64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(httpx.DecodingError):
            read(bomb, encoding="gzip", cap=MAX_BODY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_BODY
