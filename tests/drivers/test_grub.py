"""Which entry of GRUB's menu starts a kernel."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveupdate.drivers.guest import grub
from tests.drivers.grub_menu import ROOT, menu

OLD, NEW = "6.1.0-50-cloud-amd64", "6.1.0-56-cloud-amd64"


def test_an_entry_is_named_with_the_submenu_it_is_in() -> None:
    both = f"gnulinux-advanced-{ROOT}>gnulinux-{OLD}-advanced-{ROOT}"
    assert grub.entry_of(menu([NEW, OLD]), OLD) == both


def test_without_submenus_an_entry_stands_for_itself() -> None:
    assert grub.entry_of(menu([NEW, OLD], submenu=False), OLD) == f"gnulinux-{OLD}-advanced-{ROOT}"


def test_the_newest_is_pinned_by_its_own_entry_and_not_by_the_first_which_will_be_another_kernels() -> None:
    assert "simple" not in grub.entry_of(menu([NEW, OLD]), NEW)


@pytest.mark.parametrize("release", ["6.1.0-5", "50-cloud-amd64", "", "simple", "6.1.0-50-cloud-amd64-recovery"])
def test_a_kernel_that_is_not_in_the_menu_has_no_entry(release: str) -> None:
    assert grub.entry_of(menu([NEW, OLD]), release) == ""


def test_entries_made_by_hand_have_no_ids_and_are_passed_over() -> None:
    by_hand = f'menuentry "mine" {{\n  linux /boot/vmlinuz-{OLD} ro\n}}\n'
    assert grub.entry_of(by_hand, OLD) == ""
    inside = menu([NEW, OLD]).replace("UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware'", "Firmware'")
    assert grub.entry_of(by_hand + inside, OLD) == grub.entry_of(menu([NEW, OLD]), OLD)


@pytest.mark.parametrize(
    ("text", "default"),
    [
        (menu([NEW]), "0"),
        (menu([NEW], f"gnulinux-advanced-{ROOT}>gnulinux-{NEW}-advanced-{ROOT}"), "gnulinux-advanced-"),
        (menu([NEW], "${saved_entry}"), ""),
        ("set timeout=0\nset default=1\n", "1"),
        ("", ""),
    ],
)
def test_the_default_is_what_the_menu_says_beside_the_environment_block(text: str, default: str) -> None:
    found = grub.default_of(text)
    assert found.startswith(default)
    assert bool(found) == bool(default)


@given(st.text(alphabet=st.sampled_from("menutrysblix '$_{}>\n-/0.;")))
def test_whatever_a_guest_shows_as_its_menu_only_names_come_out(text: str) -> None:
    entry = grub.entry_of(text, OLD)
    assert not set(entry) & set("'\"$`; \n")


def test_an_interrupted_unpinning_is_taken_up_again(tmp_path: Path) -> None:
    """The shell command, with an update-grub that is killed the first time."""
    pin = tmp_path / "pin.cfg"
    pin.write_text("GRUB_DEFAULT='old'\n")
    script = grub.UNPIN[-1].replace(grub.PIN, str(pin))
    (tmp_path / "update-grub").write_text(f"#!/bin/sh\n[ -e {tmp_path}/second ] || exit 1\n[ ! -s {pin} ] || exit 2\n")
    (tmp_path / "update-grub").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert subprocess.run(["sh", "-c", script], env=environment).returncode == 1
    assert pin.exists()
    (tmp_path / "second").touch()
    assert subprocess.run(["sh", "-c", script], env=environment).returncode == 0
    assert not pin.exists()
    assert subprocess.run(["sh", "-c", script], env={"PATH": "/usr/bin:/bin"}).returncode == 0, "nothing to do"
