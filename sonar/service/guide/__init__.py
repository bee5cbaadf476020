"""The child process: it guides, and reports to its supervisor."""
