"""The truth: jobs, their journal, the ledger, events. One module per resource, functions on an open connection."""
