"""Durable steps per second: our engine beside others. python -m tests.bench.engine"""
