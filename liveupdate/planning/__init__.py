"""Pure: facts in, verdicts and plans out. Nothing here does I/O."""
