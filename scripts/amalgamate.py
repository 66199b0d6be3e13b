# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the runtime as one source file and one header, to drop into another tree.

    python3 scripts/amalgamate.py FOLDER      makes turbine_runtime.c and turbine_runtime.h

Sources follow each other as they are; names of file scope that two of them have get the
file's name appended.
"""

import collections
import pathlib
import re
import sys

HEADERS = ["turbine/dtype.h", "turbine/status.h", "turbine/runtime.h"]
INTERNAL = [
    "base/base.h",
    "artifact/plan.h",
    "artifact/artifact.h",
    "artifact/cpu.h",
    "artifact/elf.h",
    "artifact/layout.h",
    "runtime/runtime_internal.h",
]
SOURCES = [
    "base/status",
    "base/heap",
    "base/str",
    "base/num",
    "base/dtype",
    "artifact/cpu",
    "artifact/hash",
    "artifact/zipread",
    "artifact/elfread",
    "artifact/verify",
    "artifact/read",
    "artifact/transient",
    "runtime/tensor",
    "runtime/map",
    "runtime/code",
    "runtime/module",
    "runtime/info",
    "runtime/device",
    "runtime/local_sync",
    "runtime/null",
    "runtime/exec",
    "runtime/safetensors",
    "runtime/params",
    "runtime/spare",
    "runtime/session",
    "runtime/place",
    "runtime/state",
]
THREADS = [
    "base/clock.c",
    "runtime/wait.h",
    "runtime/split.c",
    "base/cpus.c",
    "runtime/job.h",
    "runtime/job.c",
    "runtime/local_task.c",
    "runtime/lent_task.c",
]

TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|/\*.*?\*/|//[^\n]*|->|\.{3}|[A-Za-z_]\w*|\d[\w.]*|.',
    re.DOTALL,
)


def code_of(text):
    """A file without its own includes, pragma and licence line."""
    lines = []
    for line in text.splitlines():
        if (
            re.match(r'#include "', line)
            or line == "#pragma once"
            or "SPDX-License" in line
        ):
            continue
        lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def own_names(text):
    """Names of file scope that nobody else is meant to see."""
    names = set(re.findall(r"^static [^\n(=;]*\n(\w+)\(", text, re.MULTILINE))
    names |= set(
        re.findall(
            r"^static [^\n(=;]*?\b(\w+)(?:\[[^\n]*\])*(?: =|;)", text, re.MULTILINE
        )
    )
    names |= set(
        re.findall(r"^typedef (?:struct|enum|union) (\w+)", text, re.MULTILINE)
    )
    names |= set(re.findall(r"^\} (\w+);", text, re.MULTILINE))
    for body in re.findall(r"^enum \{(.*?)\}", text, re.MULTILINE | re.DOTALL):
        names |= set(re.findall(r"\b([A-Z]\w*)\s*(?:=|,|$)", body))
    names |= set(re.findall(r"^#define (\w+)", text, re.MULTILINE))
    return {n for n in names if n != "X"}


def renamed(text, names, suffix):
    """Every use of the names as such, not as members."""
    out, before = [], ""
    for token in TOKEN.findall(text):
        if token in names and before not in (".", "->"):
            token += suffix
        out.append(token)
        if not token.isspace():
            before = token
    return "".join(out)


def public_header(root):
    parts = [code_of((root / "include" / h).read_text()) for h in HEADERS]
    return (
        "/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */\n"
        "/* turbine_runtime.h -- the runtime's public headers in one; made by\n"
        " * scripts/amalgamate.py. */\n"
        "#ifndef TURBINE_RUNTIME_H\n#define TURBINE_RUNTIME_H\n\n"
        + "\n".join(parts)
        + "\n#endif\n"
    )


PREFACE = """\
/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine_runtime.c -- the runtime in one file; made by scripts/amalgamate.py.
 *
 *   cc -std=c11 -Os -c turbine_runtime.c
 *
 * Needs C11, POSIX and, unless TB_NO_THREADS is defined, threads. Define
 *
 *   TB_NO_THREADS   to leave the device local-task out
 *   TB_NO_MALLOC    to take no memory but the caller's: tb_module_place,
 *                   tb_session_place; implies TB_NO_THREADS
 */
#if defined(TB_NO_MALLOC) && !defined(TB_NO_THREADS)
#define TB_NO_THREADS
#endif
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "turbine_runtime.h"

"""

HIDDEN = """\
#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif
"""
DEFAULT = HIDDEN.replace("push(hidden)", "push(default)")
POP = HIDDEN.replace("push(hidden)", "pop")


def with_visible_includes(text):
    """What the system's headers declare is not hidden, as all of this file is."""
    return re.sub(
        r"(?:^#include <.*>\n)+",
        lambda m: DEFAULT + m[0] + POP,
        text,
        flags=re.MULTILINE,
    )


def source_file(root):
    src = root / "src"
    files = {f"{s}.c": src / f"{s}.c" for s in SOURCES}
    files |= {t: src / t for t in THREADS}
    texts = {name: code_of(path.read_text()) for name, path in files.items()}
    headers = {h: code_of((src / h).read_text()) for h in INTERNAL}
    owners = collections.Counter(n for t in texts.values() for n in own_names(t))
    taken = {t for t in TOKEN.findall("".join(headers.values())) if t.isidentifier()}
    out = [PREFACE, HIDDEN]
    for name, text in headers.items():
        out.append(f"\n/* ==== {name} ==== */\n{text}")
    for name, text in texts.items():
        own = {n for n in own_names(text) if owners[n] > 1 or n in taken}
        text = renamed(text, own, "_" + pathlib.Path(name).stem)
        if name in THREADS:
            text = f"#if !defined(TB_NO_THREADS)\n{text}#endif\n"
        out.append(f"\n/* ==== {name} ==== */\n{text}")
    return with_visible_includes("".join(out)) + "\n" + POP


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "turbine_runtime.h").write_text(public_header(root))
    (folder / "turbine_runtime.c").write_text(source_file(root))


if __name__ == "__main__":
    main()
