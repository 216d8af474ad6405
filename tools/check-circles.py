#!/usr/bin/env python3
"""Checks that no sibling modules use one another in a circle.

For each module of each crate, the modules directly below it must form a graph without cycles: a sibling stands for
all that is below it, and it uses another where any path in it leads there. Vocabulary stands below, users above.

A path counts wherever it stands, in `use` or in code, when it begins with `crate`, `super`, `self`, or in `use`
with a module's own name. A name that a module only passes on (`use`, `pub use`, by itself or by `*`) leads to where
it is defined. A module and its own children are one room: only siblings are compared. Tests are left out. What the check cannot
see is a method call without a path.

    tools/check-circles.py [DIRECTORY]

checks the workspace in DIRECTORY (this one by default), says each circle with the uses that make it, and fails if
there is one.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

IDENTIFIER = r"(?:r#)?[A-Za-z_]\w*"
NOISE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | b?r(\#*)".*?"\1 | b?"(?:\\.|[^"\\])*" | b?'(?:\\[^\n']+|[^\\'\n])'""",
    re.VERBOSE | re.DOTALL,
)
TEST_ITEM = re.compile(r"#\[cfg\(test\)\]")
CHILD = re.compile(rf"\bmod\s+({IDENTIFIER})\s*;")
USE = re.compile(r"\buse\s+([^;]+);")
ITEM = re.compile(rf"\b(?:struct|enum|union|trait|type|fn|const|static|mod|macro_rules!)\s+({IDENTIFIER})")
INLINE = re.compile(rf"(?<![\w:])((?:crate|super|self)(?:\s*::\s*{IDENTIFIER})+)")


def blank(text):
    """As many spaces, and the same line ends."""
    return re.sub(r"[^\n]", " ", text)


def code_of(file):
    """The file's text without comments, strings and tests; what is left keeps its line."""
    text = NOISE.sub(lambda found: blank(found.group()), file.read_text(encoding="utf-8"))
    while test := TEST_ITEM.search(text):
        end, depth = test.end(), 0
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
            # A `}` within a `use` list is followed by the `;` that ends the item.
            if depth == 0 and (text[end - 1] == ";" or text[end - 1] == "}" and not text[end:].startswith(";")):
                break
        text = text[: test.start()] + blank(text[test.start() : end]) + text[end:]
    return text


def flat(tree, before=()):
    """The paths of a `use` tree with the name that each gives: `a::{b, c as d}` is a::b and a::c (as d)."""
    tree = tree.strip()
    if not tree:
        return
    if "{" in tree:
        head, _, inside = tree.partition("{")
        path = before + tuple(part.strip() for part in head.split("::") if part.strip())
        depth, piece = 0, ""
        for letter in inside.rsplit("}", 1)[0] + ",":
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if letter == "," and depth == 0:
                yield from flat(piece, path)
                piece = ""
            else:
                piece += letter
        return
    path, _, name = (part.strip() for part in tree.partition(" as "))
    path = before + tuple(part.strip() for part in path.split("::") if part.strip())
    if len(path) > 1 and path[-1] == "self":
        path = path[:-1]
    yield path, name or path[-1]


class Crate:
    """The modules of one crate and where their paths lead."""

    def __init__(self, name, root):
        self.name = name
        self.uses = {}
        self.names = {}
        self.items = {}
        self.globs = {}
        for start in ("lib.rs", "main.rs"):
            if (root / start).exists():
                self.read(("crate",), root / start, root)

    def read(self, module, file, folder):
        """Reads a module and those that it declares."""
        text = code_of(file)
        self.uses[module], self.names[module], self.globs[module] = [], {}, []
        self.items[module] = set(ITEM.findall(text))
        note = lambda path, at: self.uses[module].append((path, f"{file}:{text.count(chr(10), 0, at) + 1}"))
        for found in USE.finditer(text):
            for path, name in flat(found.group(1)):
                note(path, found.start())
                if name == "*":
                    self.globs[module].append(path[:-1])
                else:
                    self.names[module][name] = path
        for found in INLINE.finditer(USE.sub(lambda use: blank(use.group()), text)):
            note(tuple(re.split(r"\s*::\s*", found.group(1))), found.start())
        for name in CHILD.findall(text):
            for child in (folder / f"{name}.rs", folder / name / "mod.rs"):
                if child.exists():
                    self.read((*module, name), child, folder / name)

    def home(self, module, path, seen=()):
        """The module in which what the path names is defined; nothing if that is another crate's."""
        if (module, path) in seen:
            return None
        at, rest = module, list(path)
        if rest[0] == "crate":
            at, rest = ("crate",), rest[1:]
        elif rest[0] not in ("self", "super") and (*at, rest[0]) not in self.uses and rest[0] not in self.names[at]:
            return None
        while rest:
            step = rest.pop(0)
            if step == "super":
                at = at[:-1]
            elif (*at, step) in self.uses:
                at = (*at, step)
            elif step in self.names.get(at, {}):
                onward = self.names[at][step]
                if onward[0] == step:  # `use hex;`, `use time::time;`: another crate's.
                    return None
                return self.home(at, (*onward, *rest), (*seen, (module, path)))
            elif step != "self":
                return self.passed_on(at, step, (*seen, (module, path)))
        return at if at in self.uses else None

    def passed_on(self, module, name, seen):
        """The module that defines a name of this module's: itself, unless the name comes by a `*`."""
        if module not in self.uses:
            return None
        for path in self.globs[module] if name not in self.items[module] else ():
            if (module, (*path, name)) not in seen:
                found = self.home(module, (*path, name), seen)
                if found and (name in self.items[found] or name in self.names[found]):
                    return found
        return module

    def siblings(self):
        """For each parent, which of its children use which, and where first."""
        edges = defaultdict(lambda: defaultdict(dict))
        for module, uses in self.uses.items():
            for path, place in uses:
                target = self.home(module, path)
                parting = next((i for i, (a, b) in enumerate(zip(module, target or ())) if a != b), None)
                if parting is not None:
                    of_user = edges[module[:parting]][module[parting]]
                    of_user.setdefault(target[parting], f"{place}: {'::'.join(path)}")
        return edges

    def circles(self):
        """Circles by their parent, as uses (who, whom, where): the shortest first, and none that shares a use
        with one before it. So there are none exactly where there is none at all."""
        for parent, edges in sorted(self.siblings().items()):
            found = (way(edges, used, user) for user in sorted(edges) for used in sorted(edges[user]))
            shown = set()
            for circle in sorted((circle for circle in found if circle), key=len):
                uses = set(zip([circle[-1], *circle], circle))
                if uses.isdisjoint(shown):
                    shown |= uses
                    yield parent, [(a, b, edges[a][b]) for a, b in sorted(uses)]


def way(edges, start, end):
    """The shortest way from one sibling to another along what they use, both named."""
    ways, seen = [[start]], {start}
    for path in ways:
        if path[-1] == end:
            return path
        for name in sorted(edges.get(path[-1], {})):
            if name not in seen:
                seen.add(name)
                ways.append([*path, name])
    return None


def main():
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    failed = False
    roots = [folder / "src" for folder in [directory, *sorted(directory.glob("crates/*"))]]
    for root in roots:
        for parent, uses in Crate(root.parent.name, root).circles():
            failed = True
            print(f"{root.relative_to(directory)}: circle in {'::'.join(parent)}")
            for user, used, place in uses:
                print(f"    {user} uses {used} at {place.replace(str(directory) + '/', '')}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
