"""A real PostgreSQL server of the tests' own, on a socket in a folder, with a database for each test."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

TEMPLATE = "migrated"


class PostgresServer:
    def __init__(self) -> None:
        (newest, *_) = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        self._programs = newest
        # PostgreSQL refuses to run as root, and a socket's path has to be short.
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # noqa: S108
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._numbers = itertools.count(1)

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "tests", "--auth", "trust", "-E", "UTF8", "--locale", "C.UTF-8")
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c max_connections=80"
        # What a machine's crash would lose is not what is tested here.
        self._run(
            "pg_ctl", "-D", str(data), "-w", "-l", str(self.folder / "log"), "-o", f"{options} -c fsync=off", "start"
        )

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        return f"postgresql://tests@/{database}?host={self.folder}"

    def new_database(self, template: str = "template0") -> str:
        """The address of a new one."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def make_template(self) -> str:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        return self.url(TEMPLATE)

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments], check=True, user=self._user, cwd="/", stdout=subprocess.DEVNULL
        )
