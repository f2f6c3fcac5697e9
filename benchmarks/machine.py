"""What a figure was measured on: the machine's description, and its speed at a fixed loop."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

LOOP_STEPS = 1_000_000
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1_024


class Usage(NamedTuple):
    """What a program used."""

    cpu_s: float
    """User and system time of all its threads. [s]"""
    peak_bytes: int
    """Largest resident set. [byte]"""


def cpu_s(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU time that `work` took in this process, and its result. [s]"""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def reference_loop_s() -> float:
    """Return the CPU time of a fixed loop of integers and a dictionary, the best of five. [s]"""

    def loop() -> int:
        balances = dict.fromkeys(range(64), 0)
        for step in range(LOOP_STEPS):
            balances[step & 63] += step * 7
        return sum(balances.values())

    return min(cpu_s(loop)[0] for _ in range(5))


def run(*arguments: str) -> Usage:
    """Run the wattbay program and return what it used.

    Raises
    ------
    subprocess.CalledProcessError
        If it failed; what it said is printed.
    """
    command = [str(Path(sys.executable).parent / "wattbay"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as program:
        said = program.stdout.read() if program.stdout else b""
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        print(said.decode(errors="replace"))
        raise subprocess.CalledProcessError(program.returncode, command)
    return usage(used)


def usage(used: resource.struct_rusage) -> Usage:
    """Return the part of a process's usage that is told."""
    return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * RSS_UNIT_BYTES)


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def description() -> str:
    """Describe the machine in one line."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{processor()}, {os.cpu_count()} cores, {memory_bytes / 1e9:.0f} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
