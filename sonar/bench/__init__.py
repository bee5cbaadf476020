"""Measuring sonar on this machine: the chain here, the depth engines beside it."""
