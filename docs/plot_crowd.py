#!/usr/bin/env python3
"""Draws docs/crowd.svg from the output of `cargo run --release --example crowd -- --growth` (stdin)."""

import csv
import math
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 70, 40, 70, 50

rows = list(csv.DictReader(sys.stdin))
joiners = [int(r["joiners"]) for r in rows]


def series(name, scale=1.0):
    return [(int(r["joiners"]), float(r[name]) * scale) for r in rows if r[name]]


def log_axis(values, at, length, flip):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def place(v):
        part = (math.log10(v) - low) / (high - low)
        return at + length * (1 - part if flip else part)

    return place, [10**e for e in range(low, high + 1)]


ours, literal = series("bytes"), series("literal_bytes")
committer, join = series("committer_ms"), series("join_ms")
x, x_ticks = log_axis(joiners, LEFT, WIDTH - LEFT - RIGHT, False)
y, y_ticks = log_axis([v for _, v in ours + literal], TOP, HEIGHT - TOP - BOTTOM, True)
t, t_ticks = log_axis([v for _, v in committer + join], TOP, HEIGHT - TOP - BOTTOM, True)


def words(n, units):
    for size, unit in units:
        if n >= size:
            return f"{n / size:g} {unit}"
    return f"{n:g}"


out = [
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
]
for tick in x_ticks:
    out.append(f'<line x1="{x(tick):.1f}" y1="{TOP}" x2="{x(tick):.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
    out.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,}</text>')
for tick in y_ticks:
    out.append(f'<line x1="{LEFT}" y1="{y(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{y(tick):.1f}" stroke="#ddd"/>')
    text = words(tick, [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")])
    out.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{text}</text>')
for tick in t_ticks:
    text = words(tick, [(1000, "s"), (1, "ms")]) if tick >= 1 else f"{tick:g} ms"
    out.append(f'<text x="{WIDTH - RIGHT + 6}" y="{t(tick) + 4:.1f}">{text}</text>')
lines = [
    (ours, y, "#0060c0", "", "bytes, the tree once"),
    (literal, y, "#c03020", "", "bytes, as the draft says"),
    (committer, t, "#0060c0", "5 4", "committer's time"),
    (join, t, "#208040", "5 4", "a joiner's time"),
]
for i, (points, place, colour, dash, name) in enumerate(lines):
    path = " ".join(f"{x(n):.1f},{place(v):.1f}" for n, v in points)
    out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
    at = LEFT + 10 + i * 150
    out.append(f'<line x1="{at}" y1="20" x2="{at + 24}" y2="20" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
    out.append(f'<text x="{at + 29}" y="24">{name}</text>')
out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">joiners at once (dashed: time, right axis)</text>')
out.append("</svg>")
print("\n".join(out))
