"""Source against bronze: keys by digests, values by canonical text."""
