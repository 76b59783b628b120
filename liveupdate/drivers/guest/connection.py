"""ssh to one guest: the host key is pinned, output is bounded, nothing waits for ever."""

import base64
import binascii
import errno
import os
import shlex
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import paramiko
from paramiko.ssh_exception import SSHException

from liveupdate import lease, waiting
from liveupdate.drivers.guest import credentials
from liveupdate.errors import GuestError
from liveupdate.plain import plain
from liveupdate.settings import Guest as GuestSettings

#: Bytes of a command's output that are kept, its end; guests are hostile.
OUTPUT_LIMIT = 4 << 20
#: Bytes of output after which a command is given up.
_ENDLESS = 64 << 20
_KEEPALIVE = 5
#: Seconds that an emulated guest with much to do may take to start a command.
_STARTING = 120.0
_CHUNK = 1 << 16

UNREACHABLE = "live-update.guest.unreachable"


@dataclass(frozen=True)
class Completed:
    """How a command ended; text is decoded with replacement characters, and bounded."""

    code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """The end of what it said, for a person."""
        return plain((self.stderr or self.stdout)[-2000:]).strip()[-500:]


class Connection:
    """One ssh connection. ``host_key`` is "ssh-ed25519 AAAA…", from a trusted source: anything else is refused."""

    def __init__(self, address: str, host_key: str, settings: GuestSettings, port: int = 22) -> None:
        self._sudo = [] if settings.user == "root" else ["sudo", "-n", "--"]
        self._transport = _connect(address, port, _public(host_key), settings)

    @property
    def alive(self) -> bool:
        return self._transport.is_active()

    def close(self) -> None:
        self._transport.close()

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, check: bool = True) -> Completed:
        """Run ``argv`` as root, its words quoted for the guest's shell.

        Raises GuestError: ``guest.command-failed`` or ``guest.disk-full`` if it ends with another code than 0 and
        ``check``, ``guest.command-timeout``, ``guest.unreachable``.
        """
        channel = self.start(argv, timeout)
        done = _communicate(channel, stdin, timeout, argv[0])
        if check and done.code != 0:
            raise _failed(argv[0], done)
        return done

    def start(self, argv: Sequence[str], timeout: float = _STARTING) -> paramiko.Channel:
        """Start ``argv`` as root and return the channel that its three streams are on."""
        lease.require()
        quoted = shlex.join([*self._sudo, *argv])
        try:
            channel = self._transport.open_session(timeout=timeout)
            # whether the command has been started is waited for without end: closing the channel ends that
            watchdog = threading.Timer(timeout, _close, [channel])
            watchdog.start()
            try:
                channel.exec_command(quoted)  # nosec B601 # each word of it is
            finally:
                watchdog.cancel()
        except (SSHException, OSError, EOFError) as error:
            raise _unreachable(error) from error
        return channel

    def put(self, path: str, data: bytes, mode: int) -> None:
        """Write a file whole or not at all; it never has more rights than ``mode``."""
        script = 'umask 077; cat > "$1.part" && chmod "$2" "$1.part" && mv -f "$1.part" "$1"'
        self.run(["sh", "-c", script, "sh", path, f"{mode:o}"], stdin=data)


def _failed(program: str, done: Completed) -> GuestError:
    detail = f"{program} ended with {done.code}: {done.words}"
    if done.words.endswith(os.strerror(errno.ENOSPC)):
        return GuestError(detail, code="live-update.guest.disk-full", remedy="make room there, then try again")
    return GuestError(detail, code="live-update.guest.command-failed")


def _close(channel: paramiko.Channel) -> None:
    with suppress(SSHException, OSError, EOFError):  # its connection may be gone already
        channel.close()


def _public(host_key: str) -> bytes:
    kind, _, encoded = host_key.partition(" ")
    try:
        if kind != "ssh-ed25519":
            raise ValueError
        return base64.b64decode(encoded.split(" ")[0], validate=True)
    except (ValueError, binascii.Error):
        raise GuestError(
            "no ed25519 host key is known for this guest",
            code="live-update.guest.host-key-unknown",
            remedy="put it into the server's metadata liveupdate:host_key",
        ) from None


def _connect(address: str, port: int, host_key: bytes, settings: GuestSettings) -> paramiko.Transport:
    key = credentials.of_worker(settings)
    try:
        sock = socket.create_connection((address, port), settings.connect_timeout)
        # a guest that dies says nothing: the keepalive that it does not acknowledge ends the connection
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * settings.connect_timeout))
        transport = paramiko.Transport(sock, default_window_size=4 << 20)
    except (SSHException, OSError, EOFError) as error:
        raise _unreachable(error) from error
    try:
        _log_in(transport, address, key, host_key, settings)
    except (SSHException, OSError, EOFError) as error:
        transport.close()
        raise _unreachable(error) from error
    except GuestError:
        transport.close()
        raise
    transport.set_keepalive(_KEEPALIVE)
    return transport


def _log_in(
    transport: paramiko.Transport, address: str, key: paramiko.PKey, host_key: bytes, settings: GuestSettings
) -> None:
    transport.banner_timeout = transport.auth_timeout = settings.connect_timeout
    transport.get_security_options().key_types = ("ssh-ed25519",)
    transport.start_client(timeout=settings.connect_timeout)
    if transport.get_remote_server_key().asbytes() != host_key:
        raise GuestError(
            f"{address} shows another host key than the one that is known",
            code="live-update.guest.host-key-mismatch",
            remedy="find out why; if the key was renewed, put it into the server's metadata liveupdate:host_key",
        )
    try:
        transport.auth_publickey(settings.user, key)
    except paramiko.AuthenticationException:
        raise GuestError(
            f"{address} does not accept the service's key for {settings.user}",
            code="live-update.guest.login-refused",
            remedy="add the public key of [guest] private_key_file to the server's authorized keys, or that of "
            "authority_file to its sshd's TrustedUserCAKeys; see that its clock is right",
        ) from None


def _communicate(channel: paramiko.Channel, stdin: bytes, timeout: float, name: str) -> Completed:
    heard = _Heard(channel, time.monotonic() + timeout, name)
    channel.settimeout(1.0)
    try:
        pending = memoryview(stdin)
        while pending and not channel.exit_status_ready():
            with suppress(TimeoutError):
                pending = pending[channel.send(bytes(pending[:_CHUNK])) :]
            heard.drain()
        channel.shutdown_write()
        while not (channel.exit_status_ready() and channel.eof_received):
            if not heard.drain():
                waiting.look()
                channel.status_event.wait(0.005)
        while heard.drain():
            pass
        code = channel.recv_exit_status()
    except (SSHException, OSError, EOFError) as error:
        raise _unreachable(error) from error
    finally:
        channel.close()
    if code < 0:
        raise _unreachable(ConnectionResetError())
    return Completed(code, _text(heard.out), _text(heard.err))


class _Heard:
    """What a command has said so far, the end of it."""

    def __init__(self, channel: paramiko.Channel, end: float, name: str) -> None:
        self._channel, self._end, self._name = channel, end, name
        self.out, self.err = bytearray(), bytearray()
        self._bytes = 0

    def drain(self) -> bool:
        """Take a piece of what has arrived; whether there was any. Raises GuestError when it is enough."""
        if time.monotonic() > self._end:
            raise GuestError(f"{self._name} did not end in time", code="live-update.guest.command-timeout")
        channel, before = self._channel, self._bytes
        for ready, receive, kept in (
            (channel.recv_ready, channel.recv, self.out),
            (channel.recv_stderr_ready, channel.recv_stderr, self.err),
        ):
            if ready():
                piece = receive(_CHUNK)
                self._bytes += len(piece)
                kept += piece
                if len(kept) > 2 * OUTPUT_LIMIT:
                    del kept[:-OUTPUT_LIMIT]
        if self._bytes > _ENDLESS:
            raise GuestError(f"{self._name} does not stop talking", code="live-update.guest.command-endless")
        return self._bytes > before


def _text(raw: bytearray) -> str:
    return bytes(raw[-OUTPUT_LIMIT:]).decode("utf-8", "replace")


def _unreachable(error: Exception) -> GuestError:
    return GuestError(
        f"the guest does not answer ssh: {type(error).__name__}",
        code=UNREACHABLE,
        remedy="see that the server runs, its security group lets the worker in, and sshd is up",
    )
