# SPDX-License-Identifier: MIT
"""Turns results into the Markdown table, the picture and the page docs/benchmarks.md."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by benchmarks/run.py -->", "<!-- end of results -->"
COLOURS = {"asyncio": "#9aa0a6", "uvloop": "#4f83cc", "zuvloop": "#e0a030", "hotloop": "#d1495b"}


def _number(value: float, unit: str) -> str:
    if unit == "ns" and value >= 10_000:
        return f"{value / 1000:.1f} us"
    if unit == "ns" and value >= 1000:
        return f"{value / 1000:.2f} us"
    if unit == "us":
        return f"{value:.0f} us"
    if unit == "bytes":
        return f"{value:,.0f} B"
    return f"{value:.0f} {unit}"


def _cell(cell: dict[str, Any] | None, unit: str) -> str:
    if cell is None:
        return ""
    if "error" in cell:
        return "failed"
    text = f"{_number(cell['median'], unit)} ±{100 * cell['spread']:.0f} %"
    if cell.get("early"):
        text += f", {cell['early']:.0f} early"
    return text


def _pairs(row: dict[str, Any], cost: str, unit: str) -> list[float]:
    """cost / unit, round by round, sorted; empty if either was not measured."""
    a, b = row["loops"].get(cost, {}), row["loops"].get(unit, {})
    values = zip(a.get("rounds", []), b.get("rounds", []), strict=False)
    return sorted(x / y for x, y in values if y)


def ratio(row: dict[str, Any], cost: str, unit: str) -> float | None:
    """The median over the rounds of cost / unit; None if either was not measured."""
    pairs = _pairs(row, cost, unit)
    return statistics.median(pairs) if pairs else None


def _ratio_cell(row: dict[str, Any], cost: str, unit: str) -> str:
    """The median ratio and, in brackets, that of the best rounds of both."""
    middle = ratio(row, cost, unit)
    if middle is None:
        return ""
    best = min(row["loops"][cost]["rounds"]) / min(row["loops"][unit]["rounds"])
    return f"{middle:.2f} ({best:.2f})"


def _verdict(pairs: list[float], goal: float, at_least: bool) -> str:
    """Reached or missed by the median; with a question mark if some round says otherwise."""
    middle = statistics.median(pairs)
    reached = [p >= goal if at_least else p <= goal for p in pairs]
    word = "✓" if (middle >= goal if at_least else middle <= goal) else "**missed**"
    return word if all(reached) or not any(reached) else f"{word} ?"


def judge(row: dict[str, Any]) -> str:
    """The goals of a row and whether they are reached, e.g. ``uvloop ≥ 2.2 ✓``."""
    parts = []
    for rival, goal in row["goal"].items():
        if rival == "most":
            values = sorted(row["loops"].get("hotloop", {}).get("rounds", []))
            if values:
                parts.append(f"≤ {goal:.0f} us {_verdict(values, goal, False)}")
        elif rival == "c":
            if pairs := _pairs(row, "hotloop", "c"):
                parts.append(f"c ≤ {goal} {_verdict(pairs, goal, False)}")
        elif pairs := _pairs(row, rival, "hotloop"):
            parts.append(f"{rival} ≥ {goal} {_verdict(pairs, goal, True)}")
    return "; ".join(parts)


def markdown(summary: dict[str, Any]) -> str:
    """The table of one run."""
    loops = [*summary["about"]["loops"], "c"]
    rivals = [loop for loop in loops if loop not in ("hotloop", "c")]
    ours = "hotloop" in loops
    head = ["row", *loops]
    if ours:
        head += [f"{rival} / hotloop" for rival in rivals] + ["hotloop / c", "goal"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in summary["rows"]:
        cells = [row["title"], *(_cell(row["loops"].get(loop), row["unit"]) for loop in loops)]
        if ours:
            cells += [_ratio_cell(row, rival, "hotloop") for rival in rivals]
            cells += [_ratio_cell(row, "hotloop", "c"), judge(row)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


# --- the picture ---------------------------------------------------------------------------


def picture(summary: dict[str, Any]) -> str:
    """An SVG: for each row a bar per loop, its length the speed against asyncio (log scale)."""
    loops = [loop for loop in summary["about"]["loops"] if loop != "asyncio"]
    rows = [r for r in summary["rows"] if r["unit"] == "ns" and ratio(r, "asyncio", "asyncio")]
    bar, gap, left, width = 9, 8, 330, 900
    step = bar * len(loops) + gap
    height = 50 + step * len(rows)
    most = 32.0

    def x(speed: float) -> float:
        low = math.log2(0.5)
        share = (math.log2(min(max(speed, 0.5), most)) - low) / (math.log2(most) - low)
        return left + share * (width - left - 50)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="8" y="16" font-size="13">CPU per operation: how many times less than asyncio '
        f"(CPython {summary['about']['python']})</text>",
    ]
    for speed in (0.5, 1, 2, 4, 8, 16, 32):
        out.append(
            f'<line x1="{x(speed):.0f}" x2="{x(speed):.0f}" y1="36" y2="{height - 6}" '
            f'stroke="{"#555" if speed == 1 else "#ddd"}"/>'
            f'<text x="{x(speed):.0f}" y="32" text-anchor="middle">{speed:g}x</text>'
        )
    for i, row in enumerate(rows):
        top = 42 + i * step
        out.append(
            f'<text x="{left - 8}" y="{top + step / 2}" text-anchor="end">{row["title"]}</text>'
        )
        for j, loop in enumerate(loops):
            speed = ratio(row, "asyncio", loop)
            if speed is None:
                continue
            start, end = sorted((x(1), x(speed)))
            out.append(
                f'<rect x="{start:.1f}" y="{top + j * bar}" width="{max(end - start, 1):.1f}" '
                f'height="{bar - 1}" fill="{COLOURS.get(loop, "#777")}">'
                f"<title>{loop}: {speed:.2f}</title></rect>"
                f'<text x="{max(end, x(1)) + 3:.0f}" y="{top + j * bar + 8}" font-size="8">'
                f"{loop} {speed:.1f}</text>"
            )
    return "\n".join([*out, "</svg>", ""])


# --- the page ------------------------------------------------------------------------------


def _name(summary: dict[str, Any]) -> str:
    return "cpython-" + ".".join(summary["about"]["python"].split(".")[:2])


def save(summary: dict[str, Any]) -> None:
    """Write results/<python>.json and .svg, and the page."""
    RESULTS.mkdir(exist_ok=True)
    name = _name(summary)
    (RESULTS / f"{name}.json").write_text(json.dumps(summary, indent=1) + "\n")
    if "asyncio" in summary["about"]["loops"]:
        (RESULTS / f"{name}.svg").write_text(picture(summary))
    write_document()


def save_counts(summary: dict[str, Any]) -> None:
    """Write results/instructions-<python>.json, keep rows not counted now, write the page."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"instructions-{_name(summary)}.json"
    if file.exists():
        known = {row["row"]: row for row in json.loads(file.read_text())["rows"]}
        known.update({row["row"]: row for row in summary["rows"]})
        summary["rows"] = list(known.values())
    file.write_text(json.dumps(summary, indent=1) + "\n")
    write_document()


def _counts_section(file: Path) -> str:
    """The table of instruction counts of one interpreter."""
    summary = json.loads(file.read_text())
    loops = [*summary["about"]["loops"], "c"]
    rivals = [loop for loop in loops if loop not in ("hotloop", "c")]
    head = ["row", *loops, *(f"{rival} / hotloop" for rival in rivals), "hotloop / c"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in summary["rows"]:
        counts = row["counts"]
        pairs = [(rival, "hotloop") for rival in rivals] + [("hotloop", "c")]
        cells = [f"{counts[loop]:,.0f}" if loop in counts else "" for loop in loops]
        for a, b in pairs:
            cells.append(f"{counts[a] / counts[b]:.2f}" if a in counts and counts.get(b) else "")
        goal = row["goal"].get("c-instructions")
        if goal and cells[-1]:
            cells[-1] += " ✓" if float(cells[-1]) <= goal else f" **missed** (≤ {goal})"
        lines.append("| " + " | ".join([row["title"], *cells]) + " |")
    about = f"### User instructions per operation, CPython {summary['about']['python']}"
    return "\n".join([about, "", *lines, ""])


def _section(file: Path) -> str:
    summary = json.loads(file.read_text())
    about = summary["about"]
    # A run that was interrupted has done fewer rounds than it was asked for.
    done = max(len(c.get("rounds", [])) for r in summary["rows"] for c in r["loops"].values())
    picture = f"../benchmarks/results/{file.stem}.svg"
    versions = ", ".join(f"{k} {v}" for k, v in about["loops"].items() if k != "asyncio")
    return "\n".join(
        [
            f"### CPython {about['python']}",
            "",
            f"{about['date']}; {about['cpu']}, {about['cores']} cores, Linux {about['kernel']}; "
            f"{versions}; {done} rounds; malloc {about['malloc']}; "
            f"load average of the machine {about['load_average'][0]:.1f}.",
            "",
            markdown(summary),
            "",
            *([f"![speed against asyncio]({picture})"] if "asyncio" in about["loops"] else []),
            "",
        ]
    )


def write_document() -> None:
    """Replace what stands between the two marks in docs/benchmarks.md by the stored results."""
    text = DOCUMENT.read_text()
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    files = sorted(RESULTS.glob("cpython-*.json"), key=lambda f: int(f.stem.split(".")[1]))
    counts = sorted(RESULTS.glob("instructions-*.json"))
    body = "\n".join([*map(_section, files), *map(_counts_section, counts)])
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{body}\n{END}{tail}")
