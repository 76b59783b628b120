"""What the worker shows to a guest: the key that it has, or one made for this connection and certified for minutes.

With ``[guest] authority_file`` no key of a guest's lies anywhere: guests trust the authority (sshd: TrustedUserCAKeys),
the worker signs a key that only its memory holds, and its certificate allows commands and nothing else.
"""

import io
import time

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as ssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.ed25519key import Ed25519Key
from paramiko.ssh_exception import SSHException

from liveupdate.errors import GuestError
from liveupdate.settings import Guest as GuestSettings

#: Seconds of a certificate: for the log-in alone, which a connection outlives; a guest's clock may be behind or ahead.
_VALID = 300
_SKEW = 900


def of_worker(settings: GuestSettings) -> paramiko.PKey:
    """Raises GuestError(guest.no-key), without a word of any key."""
    try:
        if settings.authority_file:
            return _certified(_authority(settings.authority_file), settings.user)
        with open(settings.private_key_file, encoding="ascii") as file:
            return Ed25519Key.from_private_key(io.StringIO(file.read()))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, SSHException) as error:
        option = "authority_file" if settings.authority_file else "private_key_file"
        raise GuestError(
            f"the ssh key of [guest] {option} cannot be used: {type(error).__name__}",
            code="live-update.guest.no-key",
            remedy="give a readable ed25519 private key without passphrase",
        ) from None


def _authority(path: str) -> Ed25519PrivateKey:
    with open(path, "rb") as file:
        key = ssh.load_ssh_private_key(file.read(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError
    return key


def _certified(authority: Ed25519PrivateKey, user: str) -> paramiko.PKey:
    made, now = Ed25519PrivateKey.generate(), int(time.time())
    certificate = (
        ssh.SSHCertificateBuilder()
        .public_key(made.public_key())
        .type(ssh.SSHCertificateType.USER)
        .key_id(b"liveupdate")
        .valid_principals([user.encode()])
        .valid_after(now - _SKEW)
        .valid_before(now + _SKEW + _VALID)
        .sign(authority)
    )
    private = made.private_bytes(ssh.Encoding.PEM, ssh.PrivateFormat.OpenSSH, ssh.NoEncryption())
    key = Ed25519Key.from_private_key(io.StringIO(private.decode("ascii")))
    key.load_certificate(certificate.public_bytes().decode("ascii"))
    return key
