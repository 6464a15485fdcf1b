"""Both backends on virtual time, for every async test."""

pytest_plugins = ["aiterkit.testing.fixtures", "pytester"]
