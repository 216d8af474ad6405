#!/usr/bin/env python3
"""Tests of check-circles.py: what is a circle, and what only looks like one."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).with_name("check-circles.py")


def check(**files):
    """What the check says about a crate of these files (`a__b` is a/b.rs), and whether it passes."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            file = Path(directory, "crates", "sample", "src", name.replace("__", "/") + ".rs")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        done = subprocess.run([sys.executable, CHECK, directory], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout, done.returncode == 0


class Circles(unittest.TestCase):
    def test_is_a_circle(self):
        for case, files in {
            "both `use`": {"a": "use crate::b::B;", "b": "use super::a::{self, A};"},
            "a path in code": {"a": "fn f() { crate::b::g() }", "b": "use crate::a::f;"},
            "a name that the parent passes on": {
                "lib": "mod a; mod b; pub use b::B;",
                "a": "use crate::B;",
                "b": "use super::a::A;",
            },
            "a name that comes by a star": {
                "lib": "mod a; mod b; pub use b::*;",
                "a": "use crate::B;",
                "b": "pub struct B; use super::a::A;",
            },
            "a name that comes by two stars": {
                "lib": "mod a; mod b; pub use b::*;",
                "a": "use super::B;",
                "b": "mod deep; pub use deep::*; use super::a::A;",
                "b__deep": "pub(crate) enum B {}",
            },
            "from below": {"a": "mod deep;", "a__deep": "use super::super::b::B;", "b": "use crate::a::deep::D;"},
            "after a test": {
                "a": "#[cfg(test)]\nuse x::{Y};\n#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::b::B;",
                "b": "use crate::a::A;",
            },
        }.items():
            with self.subTest(case):
                said, passed = check(**{"lib": "mod a; mod b;", **files})
                self.assertFalse(passed)
                self.assertIn("a uses b at crates/sample/src/a", said)
                self.assertIn("b uses a at crates/sample/src/b.rs", said)

    def test_is_no_circle(self):
        for case, files in {
            "one way": {"a": "use crate::b::B;", "b": ""},
            "a child and its parent": {"a": "mod deep; use deep::D; struct A;", "a__deep": "use super::A;", "b": ""},
            "a comment or a string": {"a": "use crate::b::B;", "b": "/// [`crate::a::A`]\nconst T: &str = \"crate::a::A\";"},
            "a test": {"a": "use crate::b::B;", "b": "#[cfg(test)]\nmod tests {\n use crate::a::A;\n}"},
            "a module of tests": {
                "a": "use crate::b::B;",
                "b": "#[cfg(test)]\nmod tests;",
                "b__tests": "use crate::a::A;",
            },
            "another crate of the same name": {"a": "use crate::b::B;", "b": "use a::a; fn f() { a::g() }"},
            "what the parent itself defines beside a star": {
                "lib": "mod a; mod b; pub use b::*; pub struct P;",
                "a": "use crate::P;",
                "b": "use crate::a::A;",
            },
            "what the parent itself defines": {"lib": "mod a; mod b; pub struct P;", "a": "use crate::P;", "b": ""},
        }.items():
            with self.subTest(case):
                self.assertEqual(check(**{"lib": "mod a; mod b;", **files}), ("", True))

    def test_a_long_circle_names_every_use(self):
        said, passed = check(
            lib="mod a; mod b; mod c;", a="use crate::b::B;", b="\nuse crate::c::C;", c="use crate::a::A;"
        )
        self.assertFalse(passed)
        self.assertEqual(
            said.splitlines(),
            [
                "crates/sample/src: circle in crate",
                "    a uses b at crates/sample/src/a.rs:1: crate::b::B",
                "    b uses c at crates/sample/src/b.rs:2: crate::c::C",
                "    c uses a at crates/sample/src/c.rs:1: crate::a::A",
            ],
        )


if __name__ == "__main__":
    unittest.main()
