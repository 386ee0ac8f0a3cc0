"""Children bound to the life of their parent end with it, however it ends."""

from __future__ import annotations

import os
import signal

import pytest

from app.embedded import die_with_parent
from tests.embedded.servers import LINUX, is_gone, next_line, python, wait_until


@LINUX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_bound_child_gets_its_signal_when_its_parent_is_killed(number: signal.Signals) -> None:
    code = (
        "import subprocess, time; from app.embedded import die_with_parent\n"
        f"bind = die_with_parent({int(number)})\n"
        "print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, preexec_fn=bind).pid, flush=True)\n"
        "time.sleep(60)"
    )
    with python(code) as parent:
        child = int(next_line(parent))
        assert not is_gone(child)
        parent.kill()
        wait_until(lambda: is_gone(child))


@LINUX
def test_a_child_whose_parent_is_gone_before_it_asks_ends_at_once() -> None:
    bind = die_with_parent()
    assert bind is not None
    middle = os.fork()
    if middle == 0:  # in here our own id is no longer the parent that `bind` knows
        grandchild = os.fork()
        if grandchild == 0:
            bind()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(middle, 0)[1]) == 1
