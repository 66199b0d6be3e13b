# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes this working tree importable in .venv, entry points included.

The extensions are linked from the build directory into python/shark_turbine/, a .pth file
puts the sources on the path, and a small dist-info carries the entry points, so that
`torch.compile(backend="turbine_cpu")` finds the backend. An editable install would do the
same, slower and with a build on every import.
"""

import pathlib
import sys
import sysconfig
import tomllib

TOP = pathlib.Path(__file__).resolve().parent.parent


def write(path, text):
    """Writes only what changed: times of files matter to others."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"== wrote {path.relative_to(TOP)}")


def link_extensions(build):
    package = TOP / "python" / "shark_turbine"
    for name in ("_runtime", "_compiler"):
        built = build / "python" / f"{name}.abi3.so"
        link = package / built.name
        if built.exists() and (not link.is_symlink() or link.readlink() != built):
            link.unlink(missing_ok=True)
            link.symlink_to(built)


def install_metadata(site):
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    name = project["name"].replace("-", "_")
    info = site / f"{name}-{project['version']}.dist-info"
    compat = "iree_compat", "iree_compiler_compat"
    paths = [TOP / "python", *(TOP / "python" / name for name in compat)]
    write(site / "turbine.pth", "".join(f"{p}\n" for p in paths))
    groups = project.get("entry-points", {})
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{k} = {v}" for k, v in entries.items()), ""]
    write(info / "entry_points.txt", "\n".join(lines))
    write(
        info / "METADATA",
        f"Metadata-Version: 2.1\nName: {project['name']}\n"
        f"Version: {project['version']}\n",
    )
    write(info / "INSTALLER", "turbine develop\n")
    files = [f"{info.name}/{f}" for f in ("METADATA", "INSTALLER", "entry_points.txt")]
    write(info / "RECORD", "".join(f"{f},,\n" for f in [*files, "turbine.pth"]))


if __name__ == "__main__":
    link_extensions((TOP / (sys.argv[1] if len(sys.argv) > 1 else "build")).resolve())
    if pathlib.Path(sys.prefix).resolve() == (TOP / ".venv").resolve():
        install_metadata(pathlib.Path(sysconfig.get_paths()["purelib"]))
