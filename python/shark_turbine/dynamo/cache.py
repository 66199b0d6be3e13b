# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled programs on disk, so that the next process need not compile them.

An entry is named after what it is made from: the program before compilation with its
constants, the options, the CPU, and the build of the compiler. So entries never go stale,
and any number of processes may read and write: a file appears whole, by renaming, and two
that write the same name write the same bytes (with `tune`: either's choice of kernels). A file is a header of 64 bytes (magic, SHA-256
of the rest) and the artifact; one that is damaged counts as absent and is removed.

    <dir>/programs/ab/ab12...cd     of shark_turbine.config.cache_dir

The folder holds machine code that is run, so one that others may write to is not used.
"""

import ctypes
import functools
import hashlib
import logging
import mmap
import os
import pathlib
import secrets
import stat
import struct
import time

import torch

from .. import _compiler, config
from . import shim

log = logging.getLogger(__name__)

_FORMAT = b"turbine-program-1"
_HEADER = 64  # so that the artifact in a page-aligned buffer is aligned as it must be
_LARGEST_SHARE = 4  # no entry may take more than this part of the cache
_STALE = 3600  # seconds after which a temporary file is nobody's


# ---- names ----


@functools.cache
def build_id():
    """What tells one build of the compiler from another."""
    path = pathlib.Path(_compiler.__file__)
    with open(path, "rb") as f:
        note = _gnu_build_id(f.read(1 << 16))
        f.seek(0)
        return note or hashlib.file_digest(f, "sha256").digest()


def _gnu_build_id(head):
    """The note NT_GNU_BUILD_ID of a 64-bit ELF file that begins so; None if there is none.

    System V ABI, chapter 5, "Note Section"."""
    if head[:6] != b"\x7fELF\x02\x01":
        return None
    at, size, count = struct.unpack_from("<Q14xHH", head, 32)
    for i in range(count):
        kind, _, offset, _, _, length = struct.unpack_from(
            "<IIQQQQ", head, at + i * size
        )
        end = offset + length
        while kind == 4 and offset + 12 <= end <= len(head):
            n_name, n_value, what = struct.unpack_from("<III", head, offset)
            value = offset + 12 + (n_name + 3) // 4 * 4
            if what == 3 and head[offset + 12 : value] == b"GNU\0":
                return head[value : value + n_value]
            offset = value + (n_value + 3) // 4 * 4
    return None


def _feed(digest, *parts):
    """Each part with its length, so that no two lists of parts look the same."""
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        digest.update(struct.pack("<Q", len(part)))
        digest.update(part)


def _bytes_of(constant):
    if isinstance(constant, torch.Tensor):
        n = constant.numel() * constant.element_size()
        if n == 0:
            return b""
        return (ctypes.c_char * n).from_address(constant.data_ptr())
    return memoryview(constant).cast("B")


def key_of(unit, **options):
    """The name of what `unit.compile(**options)` gives on this machine."""
    digest = hashlib.sha256()
    _feed(
        digest,
        _FORMAT,
        build_id(),
        _compiler.host_level(),
        repr(sorted(options.items())),
    )
    _feed(digest, unit.text(locations=True))
    for constant in unit.constants:
        _feed(digest, _bytes_of(constant))
    return digest.hexdigest()


# ---- the folder ----


class Store:
    """Entries in one folder, not more than `limit` bytes of them."""

    def __init__(self, folder, limit):
        self.folder, self.limit = pathlib.Path(folder), limit
        self.unchecked = limit  # bytes written since the size was looked at: look soon

    def _path(self, key):
        return self.folder / key[:2] / key

    def get(self, key):
        """The bytes of an entry as a writable buffer aligned to 64; None if there is none."""
        path = self._path(key)
        try:
            with open(path, "rb") as f:
                n = os.fstat(f.fileno()).st_size
                if n <= _HEADER:
                    return self._damaged(path)
                pages = mmap.mmap(-1, n)
                whole = f.readinto(pages) == n
            os.utime(path)  # used now: see shrink
        except OSError:
            return None
        body = memoryview(pages)[_HEADER:]
        if not whole or bytes(pages[:_HEADER]) != _header(body):
            return self._damaged(path)
        return body

    def _damaged(self, path):
        log.warning("turbine_cpu: removed a damaged file from the cache: %s", path)
        _remove(path)

    def put(self, key, body):
        """Whether it is there now; what cannot be written is not."""
        if len(body) + _HEADER > self.limit // _LARGEST_SHARE:
            return False
        path = self._path(key)
        temporary = path.with_name(f".{os.getpid()}.{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with open(temporary, "xb") as f:
                    f.write(_header(body))
                    f.write(body)
                os.replace(temporary, path)
            except BaseException:
                _remove(temporary)
                raise
        except OSError as e:
            _say_once(f"turbine_cpu: the cache cannot be written: {e}")
            return False
        self.unchecked += len(body) + _HEADER
        if self.unchecked > self.limit // 16:
            self.unchecked = 0
            self.shrink()
        return True

    def shrink(self):
        """Removes what was not used for longest, so that there is room again."""
        entries, now = [], time.time()
        for folder in _list(self.folder):
            for entry in _list(folder.path) if folder.is_dir() else ():
                try:
                    found = entry.stat()
                except OSError:
                    continue  # another process was faster
                if not entry.name.startswith("."):
                    entries.append((found.st_mtime, found.st_size, entry.path))
                elif now - found.st_mtime > _STALE:
                    _remove(entry.path)
        total = sum(size for _, size, _ in entries)
        if total <= self.limit:
            return
        for _, size, path in sorted(entries):
            if total <= self.limit * 3 // 4:
                break
            _remove(path)
            total -= size


def _header(body):
    return (_FORMAT.ljust(32, b"\0") + hashlib.sha256(body).digest()).ljust(
        _HEADER, b"\0"
    )


def _list(folder):
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


@functools.cache
def _say_once(text):
    log.warning("%s", text)


def directory():
    """Where the cache is."""
    if config.cache_dir:
        return pathlib.Path(config.cache_dir).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    base = pathlib.Path(base) if base else pathlib.Path("~/.cache").expanduser()
    return base / "shark_turbine"


def _trusted(folder):
    """Whether nobody else can have put machine code there."""
    try:
        found = os.stat(folder)
    except OSError:
        return True  # not there yet; if it cannot be made, writing says so
    ours = found.st_uid in (os.getuid(), 0)
    return ours and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@functools.cache
def _store(folder, limit):
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        pass  # it may still be readable
    if _trusted(folder):
        return Store(folder, limit)
    _say_once(f"turbine_cpu: no cache in {folder}: others can write to it")
    return None


def store():
    """The Store of the present settings; None if there is none."""
    if not config.cache or config.cache_size_mb <= 0:
        return None
    try:
        return _store(directory() / "programs", config.cache_size_mb << 20)
    except RuntimeError:  # there is no home folder
        return None


# ---- programs ----


def compile_unit(unit, dump=None, **options):
    """The artifact of a unit, from the cache if it is there. Raises what compiling raises."""
    where = store() if not dump else None
    if where is None:
        return unit.compile(dump=dump, **options)
    key = key_of(unit, **options)
    found = where.get(key)
    log.debug("%s %s", "found" if found is not None else "compiling", key)
    if found is None:
        found = unit.compile(**options)
        if where.put(key, memoryview(found)):
            shim.record_artifact(key, found)
    else:
        shim.record_artifact(key, found)
    return found


def add_entry(key, body):
    """What torch.compiler.load_cache_artifacts brings."""
    where = store()
    if where is not None and len(key) == 64 and not set(key) - set("0123456789abcdef"):
        where.put(key, body)


shim.carry_artifacts(add_entry)
