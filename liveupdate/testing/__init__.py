"""Doubles for tests: ours, and those of people who write their own steps. Never imported by the service."""
