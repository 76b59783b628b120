"""What goes over the message bus. Nothing here is the truth: that is the database."""
