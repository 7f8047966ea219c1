"""The corpus: samples with labels in a folder of shards, written, read, merged and checked."""
