"""How a file keeps journal records: frames that show when they are torn. One rule: half a frame is no frame.

    length  u32   of what follows the checksum
    crc     u32   CRC-32 of what follows
    shard   u16
    tenant  u16   length of the tenant id, then the id in UTF-8
    data          the rest

All little-endian. A record's position is the end of its frame, counted from the beginning of the first segment.
"""

import struct
from functools import lru_cache
from zlib import crc32

from triskel.errors import Unavailable
from triskel.ports.journal import JournalRecord

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""No frame is longer; a length beyond it is damage."""

_FRAME = struct.Struct("<IIHH")
_START = struct.Struct("<II")
_OWNER = struct.Struct("<HH")

FRAME_HEAD_BYTES = _START.size
"""So many bytes tell a frame's length."""


class DamagedFrame(Exception):
    """What stands there is not what was written."""


def frame(tenant_id: str, shard: int, data: bytes) -> bytes:
    """One record as it is written. Raises Unavailable where its tenant or its shard does not fit."""
    try:
        owner, crc = _owner(tenant_id, shard)
    except (UnicodeEncodeError, struct.error):
        raise Unavailable("the audit journal cannot name this tenant or shard") from None
    return b"".join((_START.pack(len(owner) + len(data), crc32(data, crc)), owner, data))


@lru_cache(maxsize=1024)
def _owner(tenant_id: str, shard: int) -> tuple[bytes, int]:
    """What says whose a record is, and its checksum, which goes on over the data."""
    tenant = tenant_id.encode()
    owner = _OWNER.pack(shard, len(tenant)) + tenant
    return owner, crc32(owner)


def frame_bytes(window: bytes) -> int:
    """The length of the frame at the beginning of `window`. Raises DamagedFrame; 0 where the window is too short to tell."""
    if len(window) < _START.size:
        return 0
    length: int = _START.unpack_from(window)[0]
    if not _OWNER.size <= length <= MAX_FRAME_BYTES:
        raise DamagedFrame
    return _START.size + length


def parse(window: bytes, position: int, limit: int) -> tuple[list[JournalRecord], int]:
    """At most `limit` records from the frames that `window` holds whole, and how many bytes those are.

    `position` is where the window begins. Raises DamagedFrame where its first frame does not match its checksum.
    """
    records: list[JournalRecord] = []
    at, size = 0, len(window)
    while len(records) < limit and size - at >= _FRAME.size:
        length, crc, shard, tenant_bytes = _FRAME.unpack_from(window, at)
        end = at + _START.size + length
        data_at = at + _FRAME.size + tenant_bytes
        if _OWNER.size <= length <= MAX_FRAME_BYTES and end > size:
            break
        data = window[data_at:end]
        owner = _owner_read(window[at + _START.size : data_at])
        if owner is None or data_at > end or crc32(data, owner[1]) != crc:
            if records:
                break
            raise DamagedFrame
        records.append(JournalRecord(position + end, owner[0], shard, data))
        at = end
    return records, at


@lru_cache(maxsize=1024)
def _owner_read(owner: bytes) -> tuple[str, int] | None:
    """The tenant id and the checksum so far, or None where it is no tenant id."""
    try:
        return owner[_OWNER.size :].decode(), crc32(owner)
    except UnicodeDecodeError:
        return None
