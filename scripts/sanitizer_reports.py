# SPDX-License-Identifier: MIT
"""Sort the sanitizer reports in a folder into ours and the interpreter's; exit 1 if any is ours.

An error (use after free, overflow, undefined behaviour) always counts, wherever it happened.
A leak counts when a frame of its allocation lies in our sources, for the interpreter leaks a
little of its own at every exit.
"""

import re
import sys
from collections import Counter
from pathlib import Path

OURS = re.compile(r"(?:^|[ /])src/(?:(?:base|engine|awaitable|io)/\w+|loop_type|module)\.[ch]:")
ERROR = re.compile(r"ERROR: AddressSanitizer|runtime error:|ERROR: LeakSanitizer has encountered")
LEAK = re.compile(r"^(?:Direct|Indirect) leak of ")
# A test that ends its own child by os.kill(SIGSEGV) is no fault.
ON_PURPOSE = re.compile(r"ERROR: AddressSanitizer: SEGV .*\n(?:.*\n){1,6}.* in os_kill_impl ")
# What differs between two reports of the same fault.
PARTICULARS = re.compile(r"0x[0-9a-f]+|==\d+==|\bpid \d+|\d+ byte\(s\)|\d+ object\(s\)")


def sort_report(text: str) -> tuple[list[str], list[str], int]:
    """Split one process's report into (errors, leaks of ours, number of other leaks)."""
    records = [record.strip("\n") for record in re.split(r"\n\s*\n", text) if record.strip()]
    leaks = [record for record in records if LEAK.search(record.lstrip())]
    ours = [record for record in leaks if OURS.search(record)]
    errors = [text] if ERROR.search(text) and not ON_PURPOSE.search(text) else []
    return errors, ours, len(leaks) - len(ours)


def main() -> int:
    files = sorted(Path(sys.argv[1]).iterdir())
    seen: Counter[str] = Counter()
    foreign = 0
    for file in files:
        errors, ours, others = sort_report(file.read_text(errors="replace"))
        foreign += others
        for record in errors + ours:
            seen[PARTICULARS.sub("", record)] += 1
    for record, times in seen.most_common():
        print(f"--- in {times} process(es):\n{record[:6000]}\n")
    print(
        f"sanitizers: {len(seen)} different report(s) of ours in {len(files)} report file(s); "
        f"{foreign} leak record(s) of the interpreter left out"
    )
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
