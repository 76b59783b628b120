"""Request bodies, one module per resource: everything unknown or malformed is refused."""
