"""How people and programs log in: clouds.yaml with one cloud per user, and the key that opens the guests."""

import subprocess
from dataclasses import dataclass

from lab import settings
from lab.passwords import password, write_private


@dataclass(frozen=True)
class User:
    """A user of the cloud, its project and its roles there."""

    name: str
    project: str
    roles: tuple[str, ...]


USERS = (
    User("admin", "admin", ("admin",)),
    User("demo", "demo", ("member",)),
    User("reader", "demo", ("reader",)),
    User("manager", "demo", ("manager",)),
    # our own service acts with the users' trusts, and as administrator where only one may
    User("liveupdate", "service", ("admin", "service")),
)


def configure() -> None:
    write_private(settings.CLOUDS, "clouds:\n" + "".join(_cloud(user) for user in USERS))
    if not settings.SSH_KEY.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(settings.SSH_KEY)]
        subprocess.run(command, check=True, capture_output=True)


def _cloud(user: User) -> str:
    return f"""\
  {user.name}:
    region_name: {settings.REGION}
    identity_api_version: 3
    auth:
      auth_url: {settings.KEYSTONE_URL}
      username: {user.name}
      password: {password(user.name)}
      project_name: {user.project}
      user_domain_name: Default
      project_domain_name: Default
"""
