"""The table and the aims at the end of a run."""
import json


def row_of(rows, name, corpus):
    return next((r for r in rows if r["filter"] == name and r["corpus"] == corpus), None)


def ratio(a, b):
    return f"{a / b:.2f}" if b else "-"


def print_table(columns, lines):
    """lines: lists of texts; the first two columns stand left."""
    widths = [max(len(line[i]) for line in lines + [columns]) for i in range(len(columns))]
    rule = ["-" * w for w in widths]
    for line in [columns, rule] + lines:
        cells = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        print("| " + " | ".join(cells) + " |")


class Aims(list):
    """(text, figure, limit, reached) of every aim whose rows were measured."""

    def add(self, text, figure, limit, below=True):
        self.append((text, figure, limit, figure <= limit if below else figure >= limit))

    def print(self):
        for text, figure, limit, reached in self:
            print(f"{'reached    ' if reached else 'NOT reached'} {text}: "
                  f"{figure:.2f} (aim {limit:g})")

    def as_dicts(self):
        return [dict(zip(("text", "figure", "limit", "reached"), a)) for a in self]


def write_json(o, info, rows, skipped, aims):
    with open(o.json, "w") as f:
        json.dump({"machine": info,
                   "options": {k: v for k, v in vars(o).items() if k != "filters"},
                   "rows": rows, "skipped": skipped, "aims": aims.as_dicts()}, f, indent=1)
