"""The parent process: it watches the guide, sounds its failure and restarts it."""
