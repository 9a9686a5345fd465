"""Folders and files that nobody but their owner may write: the state of a node with money.

Whoever can write a command buys with the owner's money, and whoever can put a link in a file's
place has the node write where he likes. So a folder is taken only if it is the owner's alone to
write, and no folder above it lets another user put one in its place; a file only if it is
regular, and goes by one name. What is made is readable by the owner alone.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from positions.model.errors import ConfigurationError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class NotPrivate(ConfigurationError):
    """Somebody else may write here: its owner must change that; says how."""


def problem(folder: Path) -> str:
    """Why a folder, with what stands above it, is not the owner's alone to write; "" = it is.

    Of a folder that is not there yet, those above it count.
    """
    real = folder.resolve()
    if real.is_dir():
        fault = _problem_of(real, folder)
        if fault:
            return fault
    for above in real.parents:
        if above.is_dir() and (fault := _problem_above(above, folder)):
            return fault
    return ""


def require(folder: Path) -> None:
    """Make a folder for its owner alone, or find that it is.

    Raises NotPrivate if others may write it, or put another in its place.
    """
    fault = problem(folder)
    if fault:
        raise NotPrivate(fault)
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def require_inner(folder: Path) -> None:
    """Make a folder inside one that is private, or find that it is a folder of its owner's.

    Raises NotPrivate if it is a link, or others may write it.
    """
    if folder.is_symlink():
        raise NotPrivate(f"{folder} is a link, must be a folder: remove it")
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    fault = _problem_of(folder, folder)
    if fault:
        raise NotPrivate(fault)


def open_file(path: Path, flags: int) -> int:
    """Open a file that only its owner may have made; a missing one is made with `O_CREAT`.

    Raises
    ------
    NotPrivate
        If it is a link, goes by a second name, is no regular file, or is another user's.
    OSError
        If it cannot be opened for another reason.
    """
    if path.is_symlink():
        raise NotPrivate(f"{path} is a link, must be a file: remove it")
    # A FIFO in its place must not hold the program up; a link that was put there just now fails.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, FILE_MODE)
    info = os.fstat(file)
    rule = ""
    if not stat.S_ISREG(info.st_mode):
        rule = "must be a regular file: remove it"
    elif info.st_nlink > 1:
        rule = f"must go by one name, has {info.st_nlink}: remove it"
    elif info.st_uid != os.geteuid():
        rule = f"belongs to {_user(info.st_uid)}: {_own(path)}"
    elif info.st_mode & _OTHERS_WRITE:
        rule = f"can be written by others: chmod 600 {path.absolute()}"
    if rule:
        os.close(file)
        raise NotPrivate(f"{path} {rule}")
    return file


@contextmanager
def owner_only() -> Iterator[None]:
    """Have whatever is made inside made for its owner alone; of the process as a whole."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _problem_of(real: Path, label: Path) -> str:
    info = real.stat()
    if info.st_uid != os.geteuid():
        return f"{label} belongs to {_user(info.st_uid)}: {_own(real)}, or name another folder"
    if info.st_mode & _OTHERS_WRITE:
        return f"{label} can be written by others: chmod 700 {real}"
    return ""


def _problem_above(above: Path, label: Path) -> str:
    """Whether another user could put a folder of his own in the place of what is inside."""
    info = above.stat()
    if info.st_uid not in (0, os.geteuid()):
        why = f"{above} belongs to {_user(info.st_uid)}"
    elif _lets_others_rename(info):
        why = f"{above} can be written by others"
    else:
        return ""
    return f"{label}: {why}, who can put another in its place: name a folder elsewhere"


def _lets_others_rename(info: os.stat_result) -> bool:
    """Whether what is in a folder can be moved by others: not where it is sticky, as /tmp is."""
    if info.st_mode & stat.S_ISVTX or not info.st_mode & _OTHERS_WRITE:
        return False
    return bool(info.st_mode & stat.S_IWOTH) or not _is_own_group(info.st_gid)


def _is_own_group(group: int) -> bool:
    """Whether a group is that of the user alone, which many systems make for each."""
    try:
        entry, user = grp.getgrgid(group), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return user.pw_gid == group and not set(entry.gr_mem) - {user.pw_name}


def _user(number: int) -> str:
    try:
        return f"the user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"the user {number}"


def _own(path: Path) -> str:
    return f"chown {os.geteuid()} {path.absolute()}"
