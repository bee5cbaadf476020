"""MiDaS's decoder as machine code of our own, made with the C compiler of this machine."""
