"""The demonstration, and what it shares with the scenario tests: servers, clients, inventory, service."""
