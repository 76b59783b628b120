"""The programs: each parses its arguments, loads the settings, and starts what it is named after."""
