"""What the documents name exists: files, sections, tests and targets of the Makefile."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IGNORED = {"target", ".venv", ".local", "node_modules", ".git"}
DOCUMENTS = sorted(p for p in ROOT.rglob("*.md") if not IGNORED & set(p.relative_to(ROOT).parts))
# The history names files that are gone.
NAMING = [p for p in DOCUMENTS if p.name != "CHANGELOG.md"]
SOURCES = {
    "/" + path
    for suffix in ("rs", "py", "sh", "mjs")
    for p in ROOT.rglob(f"*.{suffix}")
    if not IGNORED & set((relative := p.relative_to(ROOT)).parts)
    for path in (str(relative), str(relative).replace("/src/", "/"))
}


def anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def anchors(document: Path) -> set[str]:
    return {anchor(t) for t in re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(p.relative_to(ROOT)) for p in DOCUMENTS])
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, section = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        assert not section or section in anchors(file), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(p.relative_to(ROOT)) for p in DOCUMENTS])
def test_targets_of_the_makefile_exist(document):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", document.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("document", NAMING, ids=[str(p.relative_to(ROOT)) for p in NAMING])
def test_source_files_exist(document):
    """A name may begin anywhere in the path, and leaves `src/` out: `usage/schema.rs`, `core/key.rs`."""
    named = set(re.findall(r"`([\w./-]+\.(?:rs|py|sh|mjs))`", document.read_text()))
    named = {n for n in named if "NAME" not in n}
    assert {n for n in named if not any(path.endswith("/" + n) for path in SOURCES)} == set()


def test_the_readme_leads_to_every_page():
    pages = {str(p.relative_to(ROOT)) for p in DOCUMENTS if p.is_relative_to(ROOT / "docs")}
    linked = set(re.findall(r"\]\((docs/[^)#]+\.md)", (ROOT / "README.md").read_text()))
    assert len(pages) > 10
    assert pages == linked


def test_every_file_of_tests_has_a_row():
    """A row may stand for several: `test_hostile_*.py`."""
    rows = re.findall(r"`(test_[\w*]+\.py)`", (ROOT / "tests/README.md").read_text())
    files = [p.name for p in (ROOT / "tests").glob("test_*.py")]
    assert len(files) > 40
    assert [f for f in files if not any(fnmatch(f, row) for row in rows)] == []


def test_the_tests_that_prove_a_claim_exist():
    """SECURITY.md names the test of each promise, and the file that it is in."""
    text = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`([a-z0-9_]+(?:\.py)?)`", text)
    python = {p.name: p.read_text() for p in (ROOT / "tests").glob("test_*.py")}
    rust = "\n".join(p.read_text() for p in (ROOT / "crates").rglob("*.rs"))
    shown = [n for n in named if n.startswith("test_") or n.count("_") >= 4]
    assert len(shown) > 50
    for name in shown:
        if name.endswith(".py"):
            assert name in python, name
        elif name.startswith("test_"):
            assert any(f"def {name}(" in text for text in python.values()), name
        else:
            assert f"fn {name}(" in rust, name
    # `one`, `two` in `file`, or (`file`)
    names = r"((?:`\w+`(?:, | and ))*`\w+`)"
    placed = re.findall(rf"{names}\s+in\s+`(test_\w+\.py)`", text) + re.findall(rf"{names}\s+(?:in\s+|\()`(crates/[\w/]+\.rs)`", text)
    assert len(placed) > 30
    for tests, file in placed:
        source = python[file] if file.endswith(".py") else (ROOT / file).read_text()
        for name in re.findall(r"\w+", tests.replace(" and ", " ")):
            assert re.search(rf"(def|fn) {name}\(", source), f"{name} is not in {file}"
