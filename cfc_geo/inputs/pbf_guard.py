"""Keeps .osm.pbf files that osmium cannot survive, or that unpack to far more than they are, away from it.

osmium unpacks every block it is given, takes a zero byte for the end of a tag and so one tag for another, and dies of a
tag that is no UTF-8. Only the frame of the file and its tables of strings are read here
(https://wiki.openstreetmap.org/wiki/PBF_Format), some 30 ms a megabyte.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAX_HEADER = 64 * 1024
MAX_BLOB = 32 * 1024 * 1024
"""Of a block, packed and unpacked: what the format allows."""
MAX_UNPACKED = 4_000_000_000
MAX_RATIO = 100
MAX_FIELDS = 1_000_000
"""Of one message; a block holds some thousand objects, and they share their texts."""
SMALL = 64 * 1024 * 1024
"""Files that unpack to less may do so at any ratio."""

_DATASIZE, _RAW, _RAW_SIZE, _ZLIB, _STRINGTABLE, _STRING = 3, 1, 2, 3, 1, 1


def refusal(path: Path) -> str:
    """Why the .osm.pbf file must not be read ("" = it may be)."""
    unpacked, most = 0, max(SMALL, min(MAX_UNPACKED, MAX_RATIO * path.stat().st_size))
    try:
        with path.open("rb") as stream:
            for number, blob in enumerate(_blobs(stream)):
                block = _unpacked(blob)
                unpacked += len(block)
                if unpacked > most:
                    return f"> {most // 1_000_000} MB unpacked"
                if number:
                    _check_strings(block)
    except UnicodeDecodeError:
        return "a tag is not UTF-8"
    except (ValueError, IndexError, zlib.error) as error:
        return str(error)
    return ""


def _blobs(stream: BinaryIO) -> Iterator[bytes]:
    while size := stream.read(4):
        length = int.from_bytes(size, "big")
        if len(size) < 4 or length > MAX_HEADER:
            raise ValueError("a block header of impossible size")
        header = dict(_fields(stream.read(length)))
        datasize = header.get(_DATASIZE)
        if not isinstance(datasize, int) or datasize > MAX_BLOB:
            raise ValueError("a block of impossible size")
        blob = stream.read(datasize)
        if len(blob) < datasize:
            raise ValueError("the last block is cut off")
        yield blob


def _unpacked(blob: bytes) -> bytes:
    fields = dict(_fields(blob))
    raw, packed, size = (fields.get(number) for number in (_RAW, _ZLIB, _RAW_SIZE))
    if isinstance(raw, bytes):
        return raw
    if not isinstance(packed, bytes):
        raise ValueError("a block is packed by another method than zlib")
    if not isinstance(size, int) or size > MAX_BLOB:
        raise ValueError("a block of impossible size")
    block = zlib.decompressobj().decompress(packed, size + 1)
    if len(block) != size:
        raise ValueError("a block is of another size than it says")
    return block


def _check_strings(block: bytes) -> None:
    """Raises ValueError (UnicodeDecodeError is one) unless all strings of the block are UTF-8 without zero bytes."""
    for number, table in _fields(block):
        if number == _STRINGTABLE and isinstance(table, bytes):
            texts = b"\n".join(text for at, text in _fields(table) if at == _STRING and isinstance(text, bytes))
            if "\0" in texts.decode():
                raise ValueError("a tag holds a zero byte")


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of the fields of a protobuf message: whole numbers, or bytes."""
    at, end, count = 0, len(message), 0
    while at < end:
        count += 1
        if count > MAX_FIELDS:
            raise ValueError("a block of impossibly many parts")
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
            case 1:
                at += 8
            case 2:
                size, at = _varint(message, at)
                if at + size > end:
                    raise ValueError("a field runs over its end")
                yield key >> 3, message[at : at + size]
                at += size
            case 5:
                at += 4
            case _:
                raise ValueError("a field of unknown type")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and where the next thing starts."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of impossible length")
