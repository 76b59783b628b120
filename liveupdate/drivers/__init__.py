"""The only code that speaks to the world outside: the cloud and the guests."""
