"""Fakes for tests: sources, engines, sinks, speakers. Users may import them in their own tests."""
