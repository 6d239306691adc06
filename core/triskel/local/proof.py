"""`triskel audit verify`: whether the chains of a data directory are whole."""

import asyncio

from triskel.adapters.file_heads import FileHeads
from triskel.adapters.sqlite_store import SqliteStore
from triskel.audit.heads import Signer
from triskel.audit.verify import verify
from triskel.errors import NotFound
from triskel.local.home import Home
from triskel.model.audit import Verification


def verify_home(home: Home, tenant_id: str | None) -> int:
    """Print what was found. Returns 0 where every chain is whole and 1 where not. Raises NotFound or Unavailable."""
    if not home.database.exists():
        raise NotFound(f"there is no store in `{home.directory}`; name the data directory with --data-dir")
    found = asyncio.run(_verified(home, tenant_id))
    print(
        f"{'valid' if found.valid else 'NOT VALID'}: {found.entries} entries, {found.heads} signed heads,"
        f" {found.open_calls} open and {found.abandoned_calls} abandoned calls"
    )
    for fault in found.faults:
        print(f"  {fault.tenant_id}/{fault.shard} entry {fault.seq}: {fault.kind}: {fault.detail}")
    return 0 if found.valid else 1


async def _verified(home: Home, tenant_id: str | None) -> Verification:
    store = SqliteStore.open(home.database, synchronous="FULL")
    signer = Signer.from_secret(home.kept_secret("audit-signing-key"))
    try:
        return await verify(store, FileHeads(home.heads), {signer.key_id: signer.public_key}, tenant_id)
    finally:
        await store.aclose()
