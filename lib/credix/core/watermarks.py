"""How far a source was read: the watermark, what it belongs to, and a large read in slices."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Watermark(Value):
    """Up to where a source was read. `row_version` is an xid8, `cursor` an ISO date or instant.

    `lsn` is the place in the server's log up to which the replication slot was read, `publication`
    the version of what it returned; `log_since` is the first xid8 that it certainly contains.
    """

    row_version: int | None = None
    cursor: str | None = None
    lsn: str | None = None
    log_since: int | None = None
    publication: str | None = None
    snapshot_at: str | None = None

    @property
    def follows_log(self) -> bool:
        """True when every transaction that is not yet read is one that the slot contains."""
        return (
            self.row_version is not None
            and self.log_since is not None
            and self.row_version >= self.log_since
        )


class Server(Value):
    """The PostgreSQL server that the watermark and the hashes belong to."""

    system_identifier: str
    timeline: int | None
    major_version: int


class Digest(Value):
    """How many keys a side holds, and the XOR of their hashes."""

    rows: int
    key_xor: int


class Progress(Value):
    """What a run has read and will have committed once bronze holds it.

    `log_position` is the place in the server's log up to which its snapshot saw; the log was on the
    server's disk up to there before the run went on.
    """

    attempt: int
    watermark: Watermark
    capture: str
    server: Server
    log_position: str | None = None
    relation_oids: tuple[int, ...]
    relation_marks: tuple[str, ...] = ()
    column_numbers: tuple[int, ...]
    fingerprint: str
    rereads: str | None
    digest: Digest | None


class Slices(Value):
    """A read that is cut into slices, as far as bronze holds it.

    `number` slices are merged; of each relation the blocks before `next_block` are read. `first` is
    how far the first one could see: where the deltas begin once all of them are merged. `rereads`
    names the versions merged so far that those deltas will meet again, certain as of `attempt`.
    `log_position` is that of the latest slice. The rest distinguishes one such read from another.
    """

    number: int
    attempt: int
    rereads: str | None
    next_block: int
    first: Progress
    log_position: str | None = None
    is_full: bool
    watermark_from: Watermark | None
    backfill: tuple[str, str] | None
    reconcile: bool
