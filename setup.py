# SPDX-License-Identifier: MIT
"""Build hotloop._core: every C file under src/, against the system's libuv.

HOTLOOP_BUILD = release (default) | debug | asan | tsan | coverage selects the variant;
HOTLOOP_WERROR = 1 turns warnings into errors. Everything else is in pyproject.toml.
"""

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

LIBUV_MINIMUM = "1.44"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes"]
# Full RELRO, canaries and fortified libc calls cost 2 to 3 % of a turn's instructions.
HARDENING = ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong"]
LINUX_LINK = ["-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack", "-Wl,--exclude-libs,ALL"]
PLAIN = ["-U_FORTIFY_SOURCE", "-fno-lto", "-g"]  # undo what the interpreter's own flags bring
ASAN = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
# variant: (compile flags, link flags)
VARIANTS = {
    "release": (["-O3", "-DNDEBUG", *HARDENING], []),
    "debug": (["-O0", "-g3", "-UNDEBUG", *PLAIN], []),
    # -fno-wrapv: distributions build Python with -fwrapv, which hides overflow from UBSan.
    "asan": (["-O1", "-UNDEBUG", "-fno-omit-frame-pointer", "-fno-wrapv", *PLAIN, *ASAN], ASAN),
    "tsan": (["-O1", "-UNDEBUG", *PLAIN, "-fsanitize=thread"], ["-fsanitize=thread"]),
    # NDEBUG: the untaken side of an assert is not a branch to cover.
    "coverage": (["-O0", "-DNDEBUG", *PLAIN, "--coverage", "-fprofile-abs-path"], ["--coverage"]),
}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def stop_unless(found, what):
    """End with the one sentence a person needs when `what` is missing."""
    if not found:
        raise SystemExit(
            f"hotloop cannot be built: {what} is missing; install a C compiler, the Python "
            f"headers, pkg-config and libuv >= {LIBUV_MINIMUM} (Debian, Ubuntu: apt-get install "
            "gcc python3-dev pkg-config libuv1-dev; Fedora: dnf install gcc python3-devel "
            "pkgconf libuv-devel; macOS: xcode-select --install; brew install pkg-config libuv)."
        )


class Build(build_ext):
    """build_ext that finds libuv and asks the compiler what it can do before it starts."""

    def links(self, *flags, body="int probe(void); int probe(void) { return 0; }"):
        """Whether a shared object made of `body` compiles and links with `flags`."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(body + "\n")
            cc = [*self.compiler.compiler_so, "-O1", "-Werror", "-shared", str(source)]
            return run(*cc, *flags, "-o", str(Path(folder, "probe.so"))).returncode == 0

    def find_libuv(self, ext):
        pkg_config = shutil.which(os.environ.get("PKG_CONFIG") or "pkg-config")
        stop_unless(pkg_config, "pkg-config")
        wanted = run(pkg_config, "--print-errors", f"libuv >= {LIBUV_MINIMUM}")
        stop_unless(wanted.returncode == 0, f"libuv >= {LIBUV_MINIMUM}")
        ask = lambda *words: shlex.split(run(pkg_config, *words, "libuv").stdout)  # noqa: E731
        for flag in ask("--cflags-only-I"):
            ext.extra_compile_args += ["-isystem", flag.removeprefix("-I")]
        folder = (ask("--variable=libdir") or ["/usr/lib"])[0]
        rest = [flag for flag in ask("--libs", "--static") if flag not in ("-luv", "-luv_a")]
        # Debian's archive is not position-independent, and nothing but a trial link tells.
        body = "#include <uv.h>\nint probe(uv_loop_t *l);\n"
        body += "int probe(uv_loop_t *l) { return uv_loop_init(l) + uv_run(l, UV_RUN_ONCE); }"
        for archive in (Path(folder, "libuv_a.a"), Path(folder, "libuv.a")):
            static = [str(archive), *rest]
            if archive.exists() and self.links(*ext.extra_compile_args, *static, body=body):
                ext.extra_link_args += static
                return
        ext.extra_link_args += ask("--libs")

    def build_extensions(self):
        (ext,) = self.extensions
        variant = os.environ.get("HOTLOOP_BUILD") or "release"
        if variant not in VARIANTS:
            raise SystemExit(f"HOTLOOP_BUILD={variant}: choose one of {', '.join(VARIANTS)}.")
        stop_unless(shutil.which(self.compiler.compiler_so[0]), "a C compiler")
        headers = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
        stop_unless(any(Path(h, "Python.h").exists() for h in headers), "Python.h")
        # -isystem: warnings in there are not ours to fix. But gcc follows the links of such a
        # folder, and Debian's debug headers are links to the release ones: they stay on -I.
        for folder in sorted(h for h in headers if not Path(h, "Python.h").is_symlink()):
            ext.extra_compile_args += ["-isystem", folder]
        self.find_libuv(ext)
        compile_flags, link_flags = VARIANTS[variant]
        ext.sources += ["tests/c/coverage.c"] * (variant == "coverage")
        ext.extra_compile_args += ["-std=c11", "-fvisibility=hidden", *WARNINGS, *compile_flags]
        ext.extra_link_args += link_flags
        ext.extra_compile_args += ["-Werror"] * (os.environ.get("HOTLOOP_WERROR") == "1")
        optional = [[flag] for flag in LINUX_LINK] + [["-flto=auto"]] * (variant == "release")
        for flags in optional:
            if self.links(*flags):
                ext.extra_link_args += flags
                ext.extra_compile_args += [flag for flag in flags if "lto" in flag]
        super().build_extensions()


ROOMS = Path(__file__).parent / "src"
setup(
    cmdclass={"build_ext": Build},
    ext_modules=[
        Extension(
            "hotloop._core",
            sources=sorted(os.path.relpath(p, ROOMS.parent) for p in ROOMS.rglob("*.c")),
            depends=sorted(os.path.relpath(p, ROOMS.parent) for p in ROOMS.rglob("*.h")),
            include_dirs=["src"],
        )
    ],
)
