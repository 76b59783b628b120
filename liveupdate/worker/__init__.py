"""The worker process: claims jobs, drives each in a thread, keeps its leases, watches the cloud for all of them."""
