"""A linear saga journal: claim, apply, record; or undo, last step first. Start with course.py, then runner.py."""
