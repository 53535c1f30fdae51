"""Describe what a run was measured on, since no figure means anything without it."""

import datetime
import os
import platform
import sys
import sysconfig
from pathlib import Path


def describe() -> dict[str, str]:
    """Return the facts of machine and interpreter by name, in the order to print them."""
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    built = [
        # Debian's, for one, is built with both, and does not say so to configure.
        "PGO" if "--enable-optimizations" in configured else "not configured with PGO",
        "LTO" if "--with-lto" in configured else "not configured with LTO",
        "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "GIL",
        str(sysconfig.get_config_var("OPT") or "").strip(),
    ]
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}, {'-'.join(platform.libc_ver())}",
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}"
        f" ({', '.join(part for part in built if part)})",
    }


def load() -> str:
    """Return the load averages, and how many tasks are runnable, as the kernel has them."""
    return Path("/proc/loadavg").read_text().rsplit(maxsplit=1)[0]


def cores() -> tuple[int, int]:
    """Return the core for the process under test and that for the load; the same if there is one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
