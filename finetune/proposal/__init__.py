"""A first recipe for a reader's own images: look at what is on the disk, decide, and say what was decided."""

from finetune.proposal.write import propose, write_proposal

__all__ = ["propose", "write_proposal"]
