"""Signed heads: how far a chain reached, said by somebody who holds the key. One rule: no key, no extension.

The signature is Ed25519 (RFC 8032) over compact JSON:
`["triskel.audit.head.v1", tenant, shard, seq, hash, at_ms, key_id]`. A key's id is the first 16 hexadecimal digits of
the SHA-256 of its 32 public bytes.
"""

import base64
import hashlib
from collections.abc import Mapping

import msgspec

from triskel.audit.chain import Chain, Tail
from triskel.model.audit import Head

PublicKeys = Mapping[str, bytes]
"""Raw public keys (32 bytes) by key id: the one in use and those in use before."""

_encode = msgspec.json.Encoder().encode
_TAG = "triskel.audit.head.v1"


class Signer:
    """Signs heads with one private key, which it never shows."""

    def __init__(self, private_key: bytes) -> None:
        """Take the 32 raw bytes of an Ed25519 private key. Raises ValueError where they are not 32."""
        # Loading the library costs 30 ms; a process that signs nothing does not pay it.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    @classmethod
    def from_secret(cls, secret: str) -> "Signer":
        """The signer whose key is a secret of `ports.ids`: 43 URL-safe characters that hold 256 bits."""
        return cls(base64.urlsafe_b64decode(secret + "="))

    def sign(self, chain: Chain, tail: Tail, at_ms: int) -> Head:
        """The head that says that `chain` reached `tail`."""
        tenant_id, shard = chain
        message = _encode((_TAG, tenant_id, shard, tail.seq, tail.hash, at_ms, self.key_id))
        return Head(
            tenant_id=tenant_id,
            shard=shard,
            seq=tail.seq,
            hash=tail.hash,
            at_ms=at_ms,
            key_id=self.key_id,
            signature=self._key.sign(message).hex(),
        )


def key_id_of(public_key: bytes) -> str:
    """The name of a public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def is_genuine(head: Head, keys: PublicKeys) -> bool:
    """Whether the holder of one of `keys` signed exactly this head."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 30 ms, paid by those who verify
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    public_key = keys.get(head.key_id)
    if public_key is None:
        return False
    message = _encode((_TAG, head.tenant_id, head.shard, head.seq, head.hash, head.at_ms, head.key_id))
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(head.signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
