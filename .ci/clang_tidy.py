"""Runs clang-tidy on the sources that need it, as many at a time as there are cores.

A file costs 10 to 20 seconds, so a file that passed leaves a stamp named after
everything its verdict depends on: the file, the project headers it includes
(through any depth), each .clang-tidy above it, the compile command and the tool
itself.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = "clang-tidy-14"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# Lines that clang-tidy prints whether or not it found something.
CHATTER = re.compile(r"^\d+ warnings? (generated|treated as)|^Suppressed \d|^Use -header-filter")


def project_includes(path: Path, seen: dict[Path, bytes]) -> None:
    """Collects `path` and the project files it includes, with their contents."""
    if path in seen:
        return
    seen[path] = path.read_bytes()
    for name in INCLUDE.findall(seen[path].decode(errors="replace")):
        included = ROOT / name
        if included.is_file():
            project_includes(included, seen)


def changed_files() -> set[Path]:
    """Files that differ from where this branch left origin/main, new ones included."""

    def git(*arguments: str) -> list[str]:
        result = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return result.stdout.split("\n") if result.returncode == 0 else []

    base = git("merge-base", "origin/main", "HEAD") or git("rev-parse", "HEAD~1")
    names = git("ls-files", "--others", "--exclude-standard")
    names += git("diff", "--name-only", base[0] if base else "HEAD")
    if not base:
        names += git("ls-files")
    return {ROOT / name for name in names if name}


class Job:
    """One source file and what its verdict depends on."""

    def __init__(self, entry: dict[str, str], fixed: bytes) -> None:
        self.path = Path(entry["file"])
        self.depends: dict[Path, bytes] = {}
        project_includes(self.path, self.depends)
        digest = hashlib.sha256(fixed)
        digest.update(entry["command"].encode())
        for folder in self.path.relative_to(ROOT).parents:
            # The one of the root is among what is fixed.
            config = ROOT / folder / ".clang-tidy"
            if folder != Path(".") and config.is_file():
                digest.update(config.read_bytes())
        for path in sorted(self.depends):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0")
            digest.update(hashlib.sha256(self.depends[path]).digest())
        self.stamp = digest.hexdigest()

    def run(self, build: Path) -> str:
        """Returns what clang-tidy found; empty for a clean file."""
        result = subprocess.run(
            [TOOL, "--quiet", "-p", str(build), str(self.path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode == 0:
            return ""
        lines = (result.stdout + result.stderr).split("\n")
        return "\n".join(line for line in lines if not CHATTER.search(line)).strip()


def load_jobs(build: Path, scope: str) -> list[Job]:
    version = subprocess.run([TOOL, "--version"], capture_output=True, check=True).stdout
    fixed = version + (ROOT / ".clang-tidy").read_bytes()
    entries = json.loads((build / "compile_commands.json").read_text())
    jobs = [
        Job(entry, fixed)
        for entry in entries
        if Path(entry["file"]).is_relative_to(ROOT)
        and not Path(entry["file"]).is_relative_to(ROOT / "build")
    ]
    if scope == "all":
        return jobs
    changed = changed_files()
    return [job for job in jobs if changed.intersection(job.depends)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="has compile_commands.json")
    parser.add_argument("--stamps", type=Path, required=True, help="folder of the stamps")
    parser.add_argument("--scope", choices=["all", "changed"], default="changed")
    options = parser.parse_args()

    options.stamps.mkdir(parents=True, exist_ok=True)
    jobs = load_jobs(options.build, options.scope)
    open_jobs = [job for job in jobs if not (options.stamps / job.stamp).exists()]
    dirty = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(job.run, options.build): job for job in open_jobs}
        for future in concurrent.futures.as_completed(running):
            findings = future.result()
            if findings:
                dirty += 1
                print(findings, flush=True)
            else:
                (options.stamps / running[future].stamp).touch()
    print(f"clang-tidy: {len(jobs)} files, {len(open_jobs)} checked now, {dirty} with findings")
    return 1 if dirty else 0


if __name__ == "__main__":
    sys.exit(main())
