"""Commands while guiding: keys, buttons, a local socket, and what a helper may look at."""
