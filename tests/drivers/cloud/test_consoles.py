"""A host key is learnt from the console's last block only, and only whole."""

from liveupdate.drivers.cloud.consoles import host_key_in

KEY = "ssh-ed25519 " + "A" * 68
BLOCK = (
    "-----BEGIN SSH HOST KEY KEYS-----\r\nssh-rsa AAAA root@x\r\n{key} root@x\r\n-----END SSH HOST KEY KEYS-----\r\n"
)


def test_the_ed25519_key_of_the_block() -> None:
    assert host_key_in("boot\r\n" + BLOCK.format(key=KEY)) == KEY


def test_the_last_block_counts() -> None:
    other = "ssh-ed25519 " + "B" * 68
    assert host_key_in(BLOCK.format(key=other) + BLOCK.format(key=KEY)) == KEY


def test_none_outside_a_block_and_none_cut_short() -> None:
    assert host_key_in(KEY) == ""
    assert host_key_in(BLOCK.format(key=KEY[:-1])) == ""
