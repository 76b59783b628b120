"""A stream inside a stream: what is read is what was written, and an end that is none is an error."""

import io
from typing import IO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveupdate.guest.chunks import ChunkReader, ChunkWriter
from liveupdate.guest.errors import GuestError


def written(parts: list[bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with ChunkWriter(stream) as writer:
        for part in parts:
            writer.write(part)
    return stream


@given(st.lists(st.binary(max_size=300)), st.integers(1, 97))
def test_it_arrives_whole_and_the_stream_underneath_goes_on(parts: list[bytes], size: int) -> None:
    stream = written(parts)
    stream.write(b"next frame")
    stream.seek(0)
    reader = ChunkReader(stream)
    assert b"".join(iter(lambda: reader.read(size), b"")) == b"".join(parts)
    assert reader.read(size) == b""
    assert stream.read() == b"next frame"


def test_what_is_not_read_can_be_passed_over() -> None:
    stream = written([b"a" * 3000, b"b"])
    stream.write(b"next")
    stream.seek(0)
    reader = ChunkReader(stream)
    reader.read(5)
    reader.drain()
    assert stream.read() == b"next"


@given(st.integers(0, 19))
def test_a_stream_that_stops_anywhere_is_no_end(kept: int) -> None:
    raw = written([b"0123", b"4567"]).getvalue()
    assert len(raw) == 20
    with pytest.raises(GuestError) as caught:
        ChunkReader(cast(IO[bytes], io.BytesIO(raw[:kept]))).read()
    assert caught.value.code == "guest.link-broken"


def test_closed_twice_it_ends_once() -> None:
    stream = io.BytesIO()
    writer = ChunkWriter(stream)
    writer.close()
    writer.close()
    assert stream.getvalue() == b"\0\0\0\0"
