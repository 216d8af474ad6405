"""A PostgreSQL server for one test on a free port, which can be stopped, killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .process import Process
from .waiting import free_port


def _programs() -> Path:
    """Where Debian keeps `initdb` and `postgres`, which are not in PATH."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        raise FileNotFoundError("PostgreSQL is missing: run `make setup`")
    return places[-1]


class Postgres:
    """Starts at construction. PostgreSQL refuses root, so as root it runs as the user `postgres`."""

    def __init__(self) -> None:
        self.programs = _programs()
        # Not below the test's own directory, which another user may not enter.
        self.directory = Path(tempfile.mkdtemp(prefix="gmtech-postgres."))
        self.data = self.directory / "data"
        self.user = {}
        if os.geteuid() == 0:
            self.user = {"user": "postgres", "group": pwd.getpwnam("postgres").pw_gid, "extra_groups": []}
            shutil.chown(self.directory, "postgres")
        made = subprocess.run(
            [self.programs / "initdb", "-D", self.data, "-U", "gmtech", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            capture_output=True, text=True, check=False, cwd=self.directory, **self.user,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        self.port = free_port()
        self.starts = 0
        self.start()

    @property
    def url(self) -> str:
        return f"postgres://gmtech@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self.starts += 1
        self.process = Process(
            "postgres",
            [
                str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port),
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
            ],
            self.directory / f"postgres{self.starts}.log",
            cwd=self.directory,
            **self.user,
        )  # fmt: skip
        ask = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gmtech"]
        self.process.wait_ready("an answer", lambda: subprocess.run(ask, check=False).returncode == 0)

    def database(self, name: str) -> str:
        """The address of a new database."""
        made = subprocess.run(
            [
                self.programs / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gmtech", name,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        return f"{self.url.rsplit('/', 1)[0]}/{name}"

    def down(self) -> None:
        """Ends every connection and stops ("fast shutdown")."""
        self.process.signal(signal.SIGINT)
        self.process.wait_exit()

    def kill(self) -> None:
        """Kills the server, as a crash does: no transaction is finished."""
        self.process.signal(signal.SIGQUIT)
        self.process.wait_exit()

    def stop(self) -> None:
        if self.process.alive():
            self.down()
        shutil.rmtree(self.directory, ignore_errors=True)
