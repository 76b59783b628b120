"""Update running OpenStack servers without rebooting their workload, and prove it."""

__version__ = "0.1.0"
