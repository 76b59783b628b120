"""The guests' package source: a folder with the newest kernel, served on the data bridge. Guests reach nothing else."""

import hashlib
import subprocess
from pathlib import Path

from lab import ports, settings
from lab.image import versions
from lab.processes import Process

HOME = settings.STATE / "apt"
URL = f"http://{settings.DATA_ADDRESS}:{settings.APT_PORT}/"


def make() -> None:
    """Fetch the packages and write the index, unless that was done."""
    if (HOME / "Release").exists():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    _, newest = versions.kernels()
    packages = (f"{versions.METAPACKAGE}={newest}", versions.image_package(newest))
    subprocess.run(
        ["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=HOME, check=True, capture_output=True
    )
    index = "".join(_entry(file) for file in sorted(HOME.glob("*.deb")))
    (HOME / "Packages").write_text(index)
    digest = hashlib.sha256(index.encode()).hexdigest()
    (HOME / "Release").write_text(f"Origin: lab\nSuite: lab\nSHA256:\n {digest} {len(index.encode())} Packages\n")


def kernel() -> str:
    """The release of its kernel, as uname tells it: what the lab's guests are updated to."""
    [image] = HOME.glob("linux-image-[0-9]*.deb")
    return image.name.partition("_")[0].removeprefix("linux-image-")


def processes() -> list[Process]:
    server = ["-m", "http.server", "--bind", settings.DATA_ADDRESS, "--directory", str(HOME), str(settings.APT_PORT)]
    return [
        Process(
            name="apt-source",
            argv=[str(settings.VENV / "bin/python"), *server],
            ready=lambda: ports.answers(settings.DATA_ADDRESS, settings.APT_PORT, "/Release"),
            port=settings.APT_PORT,
        )
    ]


def _entry(file: Path) -> str:
    """The package's paragraph of the index: its own control fields, where it lies and what it must hash to."""
    control = subprocess.run(["dpkg-deb", "--field", str(file)], check=True, text=True, capture_output=True).stdout
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{control.rstrip()}\nFilename: {file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n\n"
