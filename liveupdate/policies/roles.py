"""The roles, as check strings: in the project of what is asked for, or administrator anywhere."""

_HERE = "project_id:%(project_id)s"

READER = f"role:admin or (role:reader and {_HERE})"
MEMBER = f"role:admin or (role:member and {_HERE})"
MANAGER = f"role:admin or (role:manager and {_HERE})"
ADMIN = "role:admin"
