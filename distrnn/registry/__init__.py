"""The model registry: immutable versions and movable aliases in a folder or an object store, without a server of its own.

Why nothing is lost, torn or confused, whoever does what at the same time
========================================================================

The storage gives four things (`storage.door`; `storage.capability` proves the second and third by a race before the first publication):

1. A reader sees a key's old body or its new body, whole; what was written is seen by the next read and the next listing.
2. `create_if_absent`: of several writers exactly one creates a key.
3. `compare_and_swap`: a key is replaced only if it is still what the writer read. Every body carries a word of its own, so a key that went
   from A to B and back to A is not taken for untouched.
4. A writer whose answer was lost finds out by reading the key back whether it was the one.

What each write guarantees
--------------------------

=====================  =============================================================================================================
blob                   named by its sha256: writing it twice, or by two, changes nothing. Checked by whoever reads it.
manifest               the commit. One `create_if_absent` at the next number: before it nothing of a version is visible, after it all.
mark, tombstone        `compare_and_swap` on the manifest's key: the number stays taken for ever, so no reference changes its meaning.
alias                  `compare_and_swap` of one document that holds its whole history: each acknowledged move is in it once, and the
                       `from` of each is the `to` of the one before.
lease                  `compare_and_swap`: one gc at a time, for a time.
announcement           says what a writer is about to use; ends by itself.
catalog, note          hints. What they say is compared with the truth, or is exact because nobody is announced; see `catalog`, `contents`.
=====================  =============================================================================================================

Why every interleaving is safe
------------------------------

publisher, publisher   Both upload blobs (harmless), both create the next manifest: one wins, the other reads what won. If that is the
                       same content it is the version, otherwise the next number is tried. Numbers are consecutive and used once.
publisher, gc          The publisher writes its announcement, *then* looks at the lease. gc takes the lease, *then* lists announcements,
                       *then* reads manifests. If the announcement came before the list, its blobs are kept; if it was already taken
                       away, the manifest stood before it was read, and keeps them. If it came after the list, the lease was held when
                       the publisher looked, so it waited, and looked for its blobs after the last removal. After the commit it looks
                       once more, which covers a gc that stood still past the end of its lease (see `lease` for the clocks).
delete, alias          The deletion marks the version, *then* looks at the aliases. The mover moves the alias, *then* looks at the
                       version. One of the two sees the other and takes its own step back; see `deletion` and `alias_book`.
delete, publisher      A tombstone takes a manifest's place and removes no blob; gc does, by the rule above.
gc, gc                 One has the lease. Versions beyond the retention go the way of every deletion.
reader, anybody        A reader resolves a reference to a manifest (one read) and its digest vouches for every blob. A version that is
                       deleted meanwhile ends in "was deleted", never in other bytes; see `pull`.
crash                  Before the commit: blobs nobody refers to, and an announcement that expires; gc removes both. After it: the
                       version is there; at worst the catalog is behind, and the announcement says so. A mark without a tombstone
                       changes nothing.

`tests/integration/test_registry_interleavings.py` tries every order of these steps, and shows that leaving one out is noticed.
"""

from distrnn.registry.aliases import AliasRecord, Move
from distrnn.registry.catalog import Summary
from distrnn.registry.manifest import FileEntry, Manifest, ModelVersion
from distrnn.registry.promotion import Check, Decision, decide
from distrnn.registry.registry import Registry
from distrnn.registry.rules import Rule, Slice

__all__ = [
    "AliasRecord",
    "Check",
    "Decision",
    "FileEntry",
    "Manifest",
    "ModelVersion",
    "Move",
    "Registry",
    "Rule",
    "Slice",
    "Summary",
    "decide",
]
