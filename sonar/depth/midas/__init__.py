"""The MiDaS networks in torch, for conversion and reference. Needs the ``midas`` extra."""
