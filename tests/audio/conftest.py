"""Makes ``hearing`` importable in the folders below."""
