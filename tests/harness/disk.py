"""A small disk for one test that can be filled to the last byte and emptied again: a tmpfs."""

import os
import subprocess
from pathlib import Path

MIB = 1 << 20


class NoDisk(Exception):
    """Neither this user nor a user namespace may mount a file system on this machine."""


class SmallDisk:
    """Mounted at construction on a new directory. Root mounts it; anyone else in a namespace, which `within` enters."""

    def __init__(self, directory: Path, size: int = 32 * MIB):
        directory.mkdir()
        self.path = directory
        self.within: list[str] = []
        self._holder: subprocess.Popen | None = None
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
        if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            self._seen = directory
            return
        # The namespace lives as long as the process that holds it; its mounts are seen below /proc.
        self._holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", '"$@" && echo mounted && exec cat', "sh", *mount],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self._holder.stdout.readline() != "mounted\n":
            raise NoDisk(self._holder.communicate()[1])
        pid = self._holder.pid
        self._seen = Path(f"/proc/{pid}/root{directory}")
        self.within = ["nsenter", "--target", str(pid), "--user", "--mount", "--preserve-credentials", "--"]

    @property
    def _ballast(self) -> Path:
        return self._seen / "ballast"

    def fill(self) -> None:
        """Fills the disk to the last byte."""
        block = b"\1" * MIB
        with self._ballast.open("ab", buffering=0) as ballast:
            while block:
                try:
                    ballast.write(block)
                except OSError:
                    block = block[: len(block) // 2]

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def stop(self) -> None:
        if self._holder:
            self._holder.kill()
            self._holder.communicate()
        else:
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)
