"""Ties a program to the life of whoever started it, then becomes that program.

Run as a script by `command()`: `tether.py PARENT SIGNAL UID GID PROGRAM...`. The kernel sends SIGNAL to the program as
soon as its parent is gone, however that went. A change of user clears that tie, so the order is: user, tie, program.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # linux/prctl.h
KEEP = -1


def command(
    program: list[str], *, death_signal: signal.Signals = signal.SIGKILL, uid: int = KEEP, gid: int = KEEP
) -> list[str]:
    """The command line that runs `program` as a child that ends with the calling process, as another user if asked.

    The tie is to the calling thread: call it from the main one.
    """
    script = str(Path(__file__).resolve())
    tie = [str(os.getpid()), str(int(death_signal)), str(uid), str(gid)]
    return [sys.executable, "-I", "-S", script, *tie, *program]


def _tie(parent: int, death_signal: int) -> None:
    """Ask the kernel for the signal; where the parent went before we asked, end here (other systems have no tie)."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


def main(argv: list[str]) -> NoReturn:
    """Become the program, with the signal mask and the handlers that a program expects to find."""
    parent, death_signal, uid, gid = (int(value) for value in argv[:4])
    program = argv[4:]
    if gid != KEEP:
        os.setgroups([gid])
        os.setgid(gid)
    if uid != KEEP:
        os.setuid(uid)
    _tie(parent, death_signal)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
