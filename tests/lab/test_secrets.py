"""Passwords are made once and lie in files nobody else can read."""

from pathlib import Path

from lab import clouds, ini, passwords


def test_a_password_stays_the_same_and_differs_from_the_next(state: Path) -> None:
    assert passwords.password("demo") == passwords.password("demo")
    assert passwords.password("demo") != passwords.password("admin")


def test_no_file_with_a_password_is_readable_by_others(state: Path) -> None:
    passwords.password("demo")
    ini.write(state / "etc/nova.conf", {"database": {"connection": "mysql://u:p@h/d"}})
    for file in (state / "secrets.json", state / "etc/nova.conf"):
        assert file.stat().st_mode & 0o077 == 0


def test_rewriting_a_world_readable_file_makes_it_private(state: Path) -> None:
    file = state / "old.conf"
    file.write_text("")
    file.chmod(0o644)
    passwords.write_private(file, "secret")
    assert file.stat().st_mode & 0o077 == 0
    assert file.read_text() == "secret"
    assert list(state.iterdir()) == [file]


def test_every_user_has_a_cloud_of_its_own_project() -> None:
    projects = {user.name: user.project for user in clouds.USERS}
    assert projects == {
        "admin": "admin",
        "demo": "demo",
        "reader": "demo",
        "manager": "demo",
        "liveupdate": "service",
    }
