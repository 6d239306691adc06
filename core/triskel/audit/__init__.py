"""Proof of every call: what was decided before its effect, how it ended, and a chain that shows when somebody changed it.

The gateway writes an intent before an effect and the whole record after it to the journal, the near tier (`writer`).
One sequencer for each chain reads the journal and links the records into the store (`sequencer`). A chain belongs to one
(tenant, shard); each entry's hash covers the one before it (`chain`), and signed heads, also kept outside the store, say
how far the chain reached (`heads`). `verify` finds what was changed, `query` shows an entry to people.

One rule: a record is forgotten by the journal only when it is in the chain and the chain's head is outside the store.
"""
