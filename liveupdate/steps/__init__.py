"""The steps of the update methods: one file each, probe / apply / undo. protocol.py first."""
