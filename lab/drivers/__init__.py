"""Programs that run inside the services' environment: stand-ins for hosts that do not exist."""
