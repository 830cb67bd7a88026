"""The sender where processes fork, spawn, are interrupted and end."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

import processes
import pytest
from sending import run_counters

HERE = pathlib.Path(__file__).resolve().parent
NOWHERE = "127.0.0.1:1"

PROLOGUE = """
import logging, multiprocessing, os, signal, sys, threading, time
logging.basicConfig(level=logging.ERROR)
from sending import Pending, send, sender_to, wait_until_acked

def child_ends(pid):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"
"""


def run(script: str, endpoint: str) -> subprocess.CompletedProcess[str]:
    """Runs ``script`` with the address of a server as its argument."""
    paths = [str(HERE), os.environ["PYTHONPATH"], str(HERE.parents[2] / "tests" / "e2e")]
    return subprocess.run(
        [sys.executable, "-c", PROLOGUE + script, endpoint],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def check_clean(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stderr) == (0, "")


def accepted(server: processes.Server) -> int:
    return int(run_counters(server.endpoint).snapshots_accepted)


def test_the_end_of_the_interpreter_sends_what_is_left(server: processes.Server) -> None:
    done = run(
        """
sender = sender_to(sys.argv[1])
for step in range(20):
    send(sender, step)
""",
        server.endpoint,
    )

    check_clean(done)
    assert accepted(server) == 20


def test_an_exception_of_the_training_sends_what_is_left(server: processes.Server) -> None:
    done = run(
        """
sender = sender_to(sys.argv[1])
send(sender, 0)
raise RuntimeError("loss is NaN")
""",
        server.endpoint,
    )

    assert done.returncode == 1
    assert done.stderr.strip().endswith("RuntimeError: loss is NaN")
    assert accepted(server) == 1


def test_the_end_of_the_interpreter_without_a_server_is_short_and_quiet() -> None:
    began = time.monotonic()

    done = run(
        """
sender = sender_to(sys.argv[1], exit_deadline_seconds=0.2)
for step in range(100):
    send(sender, step)
""",
        NOWHERE,
    )

    check_clean(done)
    assert time.monotonic() - began < 10.0


def test_an_interrupt_ends_the_training_as_it_would_without_us(server: processes.Server) -> None:
    done = run(
        """
sender = sender_to(sys.argv[1])
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
step = 0
try:
    while True:
        send(sender, 0, part=step)
        step += 1
except KeyboardInterrupt:
    counters = sender.counters()
    assert counters.enqueued in (step, step + 1), (counters, step)
""",
        server.endpoint,
    )

    check_clean(done)


FORK = """
sender = sender_to(sys.argv[1])
send(sender, 0)
wait_until_acked(sender, 1)
pid = os.fork()
if pid == 0:
    send(sender, 1)
    sender.scalar("loss", 1, 0.0)
    assert sender.counters().enqueued == 0
    assert sender.close(5.0)
    %s
assert child_ends(pid) == 0
send(sender, 2)
assert sender.close(20.0)
assert sender.counters().acked == 2
"""


@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)", "del sender; sys.exit(0)"])
def test_a_fork_neither_streams_nor_hangs(server: processes.Server, end: str) -> None:
    done = run(FORK % end, server.endpoint)

    check_clean(done)
    assert accepted(server) == 2


def test_the_support_of_grpc_for_forks_is_off_unless_asked_for() -> None:
    code = "import os, firekeeper._sender; print(os.environ['GRPC_ENABLE_FORK_SUPPORT'])"
    for asked, expected in (("1", "1"), (None, "0")):
        env = {name: value for name, value in os.environ.items() if "FORK_SUPPORT" not in name}
        env.update({"GRPC_ENABLE_FORK_SUPPORT": asked} if asked else {})
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=env,
        )
        assert done.stdout.strip() == expected


def test_a_fork_while_there_is_no_server() -> None:
    done = run(
        """
sender = sender_to(sys.argv[1], exit_deadline_seconds=0.1, backoff_longest_seconds=0.1)
send(sender, 0)
for _ in range(100):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert child_ends(pid) == 0
""",
        NOWHERE,
    )

    check_clean(done)


def test_forks_while_much_is_sent(server: processes.Server) -> None:
    done = run(
        """
sender = sender_to(sys.argv[1])
over = threading.Event()
def train():
    step = 0
    while not over.is_set():
        send(sender, 0, part=step)
        step += 1
        time.sleep(0.0002)
thread = threading.Thread(target=train)
thread.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        send(sender, 5)
        os._exit(0)
    assert child_ends(pid) == 0
over.set()
thread.join()
assert sender.close(20.0), sender.counters()
""",
        server.endpoint,
    )

    check_clean(done)


def test_workers_that_multiprocessing_forks(server: processes.Server) -> None:
    done = run(
        """
def work(sender):
    send(sender, 1)
    return sender.counters().enqueued

sender = sender_to(sys.argv[1])
send(sender, 0)
wait_until_acked(sender, 1)
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, [sender] * 4) == [0] * 4
    pool.close()
    pool.join()
assert sender.close(20.0)
""",
        server.endpoint,
    )

    check_clean(done)
    assert accepted(server) == 1


SPAWNED = """
from sending import send, sender_to, wait_until_acked

def use_a_copy(sender):
    send(sender, 1)
    assert sender.counters().enqueued == 0

def stream(endpoint):
    sender = sender_to(endpoint)
    send(sender, 7)
"""


@pytest.fixture
def spawned(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that a spawned process can import."""
    (tmp_path / "spawned.py").write_text(SPAWNED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")


@pytest.mark.usefixtures("spawned")
def test_a_process_that_is_spawned_gets_a_copy_that_is_switched_off(
    server: processes.Server,
) -> None:
    done = run(
        """
import spawned
sender = sender_to(sys.argv[1])
send(sender, 0)
process = multiprocessing.get_context("spawn").Process(target=spawned.use_a_copy, args=(sender,))
process.start()
process.join(30)
assert process.exitcode == 0
assert sender.close(20.0)
""",
        server.endpoint,
    )

    check_clean(done)
    assert accepted(server) == 1


@pytest.mark.usefixtures("spawned")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_trainer_in_a_process_of_its_own_sends_what_is_left(
    server: processes.Server, method: str
) -> None:
    done = run(
        f"""
import spawned
context = multiprocessing.get_context({method!r})
process = context.Process(target=spawned.stream, args=(sys.argv[1],))
process.start()
process.join(30)
assert process.exitcode == 0
""",
        server.endpoint,
    )

    check_clean(done)
    assert accepted(server) == 1


def test_a_fork_of_a_parent_that_streams_ends_in_time_even_if_it_streams_too(
    server: processes.Server,
) -> None:
    done = run(
        """
sender = sender_to(sys.argv[1])
send(sender, 0)
wait_until_acked(sender, 1)
pid = os.fork()
if pid == 0:
    logging.disable(logging.CRITICAL)
    own = sender_to(sys.argv[1], run="other", exit_deadline_seconds=0.5)
    send(own, 0)
    sys.exit(0)
assert child_ends(pid) == 0
assert sender.close(20.0)
""",
        server.endpoint,
    )

    check_clean(done)


def test_importing_the_sender_imports_nothing_heavy() -> None:
    code = (
        "import sys, firekeeper._stream, firekeeper._sender;"
        "print([name for name in ('grpc', 'google.protobuf', 'numpy', 'torch') "
        "if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"
