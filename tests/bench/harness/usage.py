"""What processes used, as Linux's /proc tells it: processor time and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 11, 12, 13, 14
"""Fields of /proc/PID/stat, counted from the state (proc_pid_stat(5))."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Resident memory of a process, in MB of 10**6 bytes."""

    now_mb: float
    peak_mb: float
    """Since the process began."""


def cpu_seconds(pid: int) -> float:
    """Processor time of one process, its ended children left out."""
    fields = _stat(pid)
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS


def family_cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children, living and ended: of a Postgres server, by its postmaster."""
    while True:
        ended = _ended_children_seconds(pid)
        living = sum(_cpu_or_none(child) for child in _children(pid))
        # A child that was buried between the two looks would be in neither.
        if ended == _ended_children_seconds(pid):
            return cpu_seconds(pid) + ended + living


def memory(pid: int) -> Memory:
    """Resident memory of one process."""
    lines = (_PROC / str(pid) / "status").read_text(encoding="ascii").splitlines()
    kib = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.split()}
    return Memory(now_mb=int(kib["VmRSS"]) * 1024 / 1e6, peak_mb=int(kib["VmHWM"]) * 1024 / 1e6)


def machine() -> str:
    """One line about the processor and the memory of this machine."""
    models = [line.partition(":")[2].strip() for line in _lines("cpuinfo") if line.startswith("model name")]
    total = next(int(line.split()[1]) for line in _lines("meminfo") if line.startswith("MemTotal"))
    return (
        f"{os.cpu_count()} x {models[0] if models else os.uname().machine}, {total * 1024 / 2**30:.0f} GiB, "
        f"Linux {os.uname().release}, load average {os.getloadavg()[0]:.1f} at the start"
    )


def _ended_children_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])) / _TICKS


def _children(pid: int) -> list[int]:
    numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return [number for number in numbers if _is_child(number, pid)]


def _is_child(pid: int, parent: int) -> bool:
    try:
        return int(_stat(pid)[_PARENT]) == parent
    except (FileNotFoundError, ProcessLookupError):
        return False


def _cpu_or_none(pid: int) -> float:
    """A child that has ended meanwhile is its parent's to tell of."""
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _stat(pid: int) -> list[str]:
    """Fields from the state on: the name before it may hold spaces and brackets."""
    return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _lines(name: str) -> list[str]:
    return (_PROC / name).read_text(encoding="utf-8", errors="replace").splitlines()
