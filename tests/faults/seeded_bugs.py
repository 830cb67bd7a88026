#!/usr/bin/python3
"""Proves the tests: seeds one bug after another and expects a test to fail.

Works on a copy of the sources under build/seeded-bugs, built there. Prints what caught
each bug, and "N of M caught" at the end; the exit code is 0 only if all were.

    tests/faults/seeded_bugs.py            # all of them; about an hour
    tests/faults/seeded_bugs.py ack nonce  # those whose name holds a word
    tests/faults/seeded_bugs.py --check    # only whether each has its one place; at once
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "seeded-bugs"
# Many times what the slowest test program takes.
HANG_SECONDS = 300.0


class Bug(NamedTuple):
    """One edit that makes the server wrong, and the tests that must notice."""

    name: str
    file: str
    right: str
    wrong: str
    target: str  # test program


BUGS = (
    Bug(
        "ack before the commit",
        "server/ingest/ack_ledger.cc",
        "waiting_.front().ticket <= committed)",
        "waiting_.front().ticket <= committed + 1)",
        "server_state_tests",
    ),
    Bug(
        "tell what is merely queued",
        "server/store/commit_queue.cc",
        "    groups_.pop_front();\n  }\n  return group;",
        "    groups_.pop_front();\n  }\n  committed_ = last_ticket_;\n  return group;",
        "server_store_tests",
    ),
    Bug(
        "drop the group that met a full disk",
        "server/store/commit_queue.cc",
        "    if (!WaitForSpace(status)) return false;",
        "    return WaitForSpace(status);",
        "server_store_tests",
    ),
    Bug(
        "drop the contribution check",
        "core/window.cc",
        "  if (outcome != MergeOutcome::kMerged) return outcome;",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "merge twice on resend after a restart",
        "core/track_state.cc",
        "    seen_.emplace(place, filled);",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "forget what a resend must equal",
        "server/state/rows/track_rows.cc",
        "  reader.Get(&row.contribution.fingerprint);",
        "  reader.Get(&row.contribution.fingerprint);\n  row.contribution.fingerprint = 0;",
        "server_recovery_tests",
    ),
    Bug(
        "forget the nonce",
        "server/store/sqlite_writer.cc",
        "if (epoch == epoch_ && nonce == nonce_)",
        "if (epoch == epoch_ && nonce != 0)",
        "server_store_tests",
    ),
    Bug(
        "two servers on one directory",
        "server/store/data_directory.cc",
        "if (flock(lock, LOCK_EX | LOCK_NB) == 0) return directory;",
        "if (flock(lock, LOCK_SH | LOCK_NB) == 0) return directory;",
        "server_store_tests",
    ),
    Bug(
        "no checksum",
        "server/store/row_frame.cc",
        "  if (ChecksumOf(place, stored.front(), payload) != checksum) {",
        "  if (ChecksumOf(place, stored.front(), payload).empty() && checksum.empty()) {",
        "server_store_tests",
    ),
    Bug(
        "a checksum that does not know its key",
        "server/store/row_frame.cc",
        "{std::string_view(where), place.key,",
        "{std::string_view(where), std::string_view(),",
        "server_store_tests",
    ),
    Bug(
        "rows of a future version",
        "server/store/row_frame.cc",
        "version > readable.newest)",
        "version > 250)",
        "server_store_tests",
    ),
    Bug(
        "a mark that is ahead of what is kept",
        "server/state/run_keeping.cc",
        "                 .accepted_seq = source.accepted_seq,",
        "                 .accepted_seq = source.accepted_seq + 1,",
        "server_recovery_tests",
    ),
    Bug(
        "contributions go before their window is kept",
        "server/state/layer_rows.cc",
        "    batch->Put(Table::kWindow, place_.run, WindowKey(place_.layer, key, first),\n"
        "               writer.Take());",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "a closing window takes the contributions of the next",
        "server/state/layer_rows.cc",
        "                      WindowKey(place_.layer, key, first + 1));\n  }\n}\n\n}  // namespace",
        "                      EndOfTrack(place_.layer, key));\n  }\n}\n\n}  // namespace",
        "server_recovery_tests",
    ),
    Bug(
        "units forget when a window goes",
        "server/state/layer_rows.cc",
        "  if (dropped) PutUnits(key, track, &written, &batch);",
        "  if (dropped) written.dropped_before = track.dropped_before();",
        "server_recovery_tests",
    ),
    Bug(
        "the archive lacks a line",
        "server/state/layer_rows.cc",
        "    if (line.steps.first <= written->archived_through) continue;",
        "    if (line.steps.first <= written->archived_through + 4) continue;",
        "server_recovery_tests",
    ),
    Bug(
        "a sampled step is not kept",
        "server/state/layer_rows.cc",
        "track.sampled_count() != written.sampled) {",
        "false) {",
        "server_recovery_tests",
    ),
    Bug(
        "a window without its sketch",
        "core/track_state.cc",
        "  if (!sketch().empty()) writer->Put(sketch());\n",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "an attempt leaves the windows of the last one",
        "server/state/layer_rows.cc",
        "    batch->EraseRange(table, place_.run, begin, end);\n  }\n  written.archived_through",
        "    if (table == Table::kArchive) batch->EraseRange(table, place_.run, begin, end);\n"
        "  }\n  written.archived_through",
        "server_recovery_tests",
    ),
    Bug(
        "a gap that nobody remembers",
        "server/state/run.cc",
        "  return KeepMark(handle.source, *source, to_seq);",
        "  (*source)->accepted_seq = to_seq;\n  return (*source)->ticket;",
        "server_recovery_tests",
    ),
    Bug(
        "a superseded token comes back",
        "server/state/run_keeping.cc",
        "    attempt->launch_token = record.launch_token;",
        '    attempt->launch_token = record.launch_token + "x";',
        "server_recovery_tests",
    ),
    Bug(
        "a deleted run that stays",
        "server/state/run.cc",
        "  batch.EraseRun(place_.number);",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "a run that goes while it is streamed",
        "server/state/run_view.cc",
        "  if (!ended && HasOpenStream()) return false;\n",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "events that are told twice",
        "server/state/run_keeping.cc",
        "  absl::Status restored = assessment_.Restore(stored.assessment);",
        "  absl::Status restored;",
        "server_recovery_tests",
    ),
    Bug(
        "puts overtake an erase",
        "server/store/store.cc",
        "    useless[i] = later.Undo(mutations_[i]);",
        "    useless[i] = later.Undo(mutations_[i]) ||\n"
        "                 mutations_[i].kind == Mutation::Kind::kEraseRange;",
        "server_store_tests",
    ),
    Bug(
        "a damaged window that counts as silence",
        "server/state/layer_restore.cc",
        "  for (const std::int64_t first : lost) track.NoteLost(first);",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "a lost contribution that the next one hides",
        "core/track_evidence.cc",
        "        is_lost ? 0 : tracked.window.ShardsReceived(range.first);",
        "        tracked.window.ShardsReceived(is_lost ? range.first : range.first);",
        "server_recovery_tests",
    ),
    Bug(
        "a lost contribution that the next restart forgets",
        "core/track_state.cc",
        "  if (!lost_.empty()) PutWindows(lost_, writer);",
        "",
        "server_recovery_tests",
    ),
    Bug(
        "quarantine a row as often as it is read",
        "server/store/sqlite_writer.cc",
        "WHERE table_number = ?1 AND run = ?2 AND key = ?3 AND value = ?4)",
        "WHERE table_number = ?1 AND run = ?2 AND key = ?3 AND value = ?4 AND 0)",
        "server_store_tests",
    ),
    Bug(
        "give the number of a lost layer to another",
        "server/state/run_keeping.cc",
        "  next_layer_ = stored.next_layer;",
        "  next_layer_ = static_cast<std::uint32_t>(layers_.size());",
        "server_recovery_tests",
    ),
    Bug(
        "forget how far windows were closed",
        "server/state/run_keeping.cc",
        "  closed_before_ = stored.counters.closed_before;",
        "",
        "server_recovery_tests",
    ),
)


def run(*command: str, seconds: "float | None" = None) -> "subprocess.CompletedProcess[str]":
    """A command in the copy, ended where it takes longer than ``seconds``."""
    return subprocess.run(
        command, cwd=COPY, text=True, capture_output=True, check=False, timeout=seconds
    )


def copy_sources() -> None:
    """The files of the project as they are now; what was built in the copy stays."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        text = source.read_bytes()
        if target.exists() and target.read_bytes() == text:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    # From npm, by install-packages.
    packages = COPY / "server" / "web" / "page" / "node_modules"
    if not packages.exists():
        packages.symlink_to(ROOT / "server" / "web" / "page" / "node_modules")


def tests_fail(target: str) -> "tuple[bool, str]":
    """Builds a test program and runs it; whether it fails, and which test first."""
    built = run("cmake", "--build", "build/dev", "--target", target)
    if built.returncode != 0:
        return False, "does not build:\n" + built.stdout[-2000:]
    program = next(COPY.glob(f"build/dev/tests/**/{target}"))
    try:
        tested = run(str(program), "--gtest_brief=1", seconds=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        return True, "a test hangs"
    failed = [line for line in tested.stdout.splitlines() if line.startswith("[  FAILED  ]")]
    if tested.returncode == 0:
        return False, "all tests pass"
    return True, failed[0][13:].split(",")[0] if failed else "the program ends"


def seed(bug: Bug) -> "tuple[bool, str]":
    """Whether the tests notice ``bug``."""
    path = COPY / bug.file
    text = path.read_text()
    if text.count(bug.right) != 1:
        return False, f"{text.count(bug.right)} places to seed it; one is needed"
    try:
        path.write_text(text.replace(bug.right, bug.wrong))
        return tests_fail(bug.target)
    finally:
        path.write_text(text)


def check(bugs: "list[Bug]") -> int:
    """Whether each still has exactly one place in the tree; builds nothing."""
    lost = 0
    for bug in bugs:
        path = ROOT / bug.file
        places = path.read_text().count(bug.right) if path.is_file() else 0
        if places != 1:
            lost += 1
            print(f"{bug.name}: {places} places in {bug.file}; one is needed")
    print(f"{len(bugs) - lost} of {len(bugs)} can be seeded")
    return 0 if lost == 0 else 1


def main() -> int:
    """The command line."""
    words = [word for word in sys.argv[1:] if word != "--check"]
    bugs = [bug for bug in BUGS if not words or any(word in bug.name for word in words)]
    if "--check" in sys.argv[1:]:
        return check(bugs)
    COPY.mkdir(parents=True, exist_ok=True)
    copy_sources()
    configured = run("cmake", "--preset", "dev", "-DFIREKEEPER_BUILD_CLIENT=OFF")
    if configured.returncode != 0:
        print(configured.stderr)
        return 1
    for target in sorted({bug.target for bug in bugs}):
        noticed, why = tests_fail(target)
        if noticed or why != "all tests pass":
            print(f"{target} without a bug: {why}")
            return 1
    caught = 0
    for bug in bugs:
        noticed, why = seed(bug)
        caught += noticed
        print(f"{'caught' if noticed else 'MISSED'}  {bug.name}: {why}", flush=True)
    print(f"{caught} of {len(bugs)} caught")
    return 0 if caught == len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
