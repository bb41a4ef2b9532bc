#!/usr/bin/env python3
"""Prints docs/CONFIGURATION.md as the page pgcertd.toml(5); docs/man/pgcertd.toml.5 is its output, which a test compares.

    tests/tools/config_man.py >docs/man/pgcertd.toml.5
"""
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "CONFIGURATION.md"
HEAD = r'''.TH PGCERTD.TOML 5 "" "pgcertd" "pgcertd manual"
.SH NAME
pgcertd.toml \- configuration of pgcertd
.SH SYNOPSIS
.I /etc/pgcertd/pgcertd.toml
.br
.I /etc/pgcertd/conf.d/*.toml
'''
TAIL = ".SH SEE ALSO\n.BR pgcertd (8),\n.BR pgcertctl (1)\n"


def escape(text):
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


def plain(text):
    return escape(text.replace("`", ""))


def inline(text):
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"`([^`]*)`", lambda code: r"\fB" + code.group(1) + r"\fR", escape(text))


def sentence(text):
    """Begins with a capital, unless it begins with a key or word of the configuration, and ends with a full stop."""
    return inline(text if text.startswith("`") else text[0].upper() + text[1:]) + "."


def paragraph(lines):
    """A line a sentence, as troff wants them."""
    return [inline(one) for one in re.sub(r"([.;]) (?=[A-Z`])", r"\1\n", " ".join(lines)).split("\n")] if lines else []


def table_row(cells):
    if len(cells) == 2:
        return [".TP", ".B " + plain(cells[0]), inline(cells[1])]
    key, kind, default, meaning = cells
    kind = inline(kind) if kind.startswith("`") else inline(kind[0].upper() + kind[1:])
    return [".TP", ".B " + plain(key), f"{kind}; default {inline(default)}.", sentence(meaning)]


def is_heading(cells):
    return cells[0] in ("key", "type") or set(cells[0]) <= {"-", "|"}


class Page:
    def __init__(self):
        self.out, self.held, self.in_code = [], [], False

    def flush(self):
        self.out += paragraph(self.held)
        self.held = []

    def separate(self):
        self.flush()
        if self.out and not self.out[-1].startswith((".SH", ".PP")):
            self.out.append(".PP")

    def code(self, line):
        if line.startswith("```"):
            self.out.append(".fi")
            self.in_code = False
        else:
            self.out.append(escape(line))

    def add(self, line):
        if self.in_code:
            return self.code(line)
        if line.startswith("```"):
            self.separate()
            self.out.append(".nf")
            self.in_code = True
        elif line.startswith("# "):
            self.out.append(".SH DESCRIPTION")
        elif line.startswith("## "):
            self.flush()
            title = plain(line[3:])
            self.out.append(f'.SH "{title if title.startswith("[") else title.upper()}"')
        elif line.startswith("| ") or line.startswith("|-"):
            self.flush()
            cells = [cell.strip() for cell in line.strip("| \n").split(" | ")]
            self.out += [] if is_heading(cells) else table_row(cells)
        elif line.startswith("- "):
            self.flush()
            key, _, rest = line[2:].partition(": ")
            self.out += [".TP", ".B " + plain(key), sentence(rest or "no effect")]
        elif line.strip():
            self.held.append(line.strip())
        else:
            self.separate()
        return None

    def text(self):
        self.flush()
        kept = [line for line, after in zip(self.out, self.out[1:] + [".SH"])
                if line != ".PP" or not after.startswith((".SH", ".TP", ".PP"))]
        return HEAD + "\n".join(kept) + "\n" + TAIL


def page():
    made = Page()
    for line in SOURCE.read_text(encoding="utf-8").splitlines():
        made.add(line)
    return made.text()


if __name__ == "__main__":
    print(page(), end="")
