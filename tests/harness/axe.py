"""What axe-core finds on a page, and what a page lacks for the keyboard and for narrow screens.

Scripts come in by the debugger, which the page's Content-Security-Policy does not bind. So a page is looked at as it is served.
"""

import time
from pathlib import Path

from playwright.sync_api import CDPSession, Page

SOURCE = (Path(__file__).resolve().parent.parent / "node_modules/axe-core/axe.min.js").read_text()
# Every rule of WCAG 2.2 AA and axe-core's best practices; `target-size` is off unless it is asked for.
RUN = """
axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then((found) =>
  found.violations.flatMap((rule) => rule.nodes.map((node) =>
    `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.replaceAll("\\n", " ")}`)))
"""
SCHEMES = ["light", "dark"]
# The widths of a small phone and of a desk.
SIZES = [(1440, 900), (360, 740)]

# What stands out of the page sideways, but for what lies in a box that scrolls.
WIDER = """
(() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  const boxed = (e) => e && (getComputedStyle(e).overflowX !== "visible" || boxed(e.parentElement));
  const wide = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > room + 1 && !boxed(e.parentElement));
  return wide.map((e) => `${e.tagName.toLowerCase()}.${e.className} "${e.textContent.trim().slice(0, 40)}"`);
})()
"""

# Follows the focus: what has got it, and whether it can be seen there.
FOLLOW = """
(() => {
  const name = (e) => `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""} "${(e.ariaLabel || e.textContent || e.name || "").trim().slice(0, 40)}"`;
  const shown = (e) => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0;
  const first = (e, all) => e.type !== "radio" || e === (all.find((o) => o.name === e.name && o.checked) ?? all.find((o) => o.name === e.name));
  const offered = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
  const visible = offered.filter((e) => !e.disabled && e.type !== "hidden" && shown(e));
  const radios = visible.filter((e) => e.type === "radio");
  window.toReach = new Set(visible.filter((e) => first(e, radios)));
  // A radio button of tabs is drawn as its label.
  const drawn = (e) => (e.type === "radio" && e.labels.length && e.getBoundingClientRect().width < 4 ? e.labels[0] : e);
  document.addEventListener("focusin", ({target}) => {
    window.toReach.delete(target);
    const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(drawn(target));
    const box = drawn(target).getBoundingClientRect();
    const marked = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1) || boxShadow !== "none";
    const within = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    if (target !== document.body && !(marked && within)) window.unseen.push(name(target));
  });
  // Where the page has put the focus itself, the way begins at its start all the same.
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  window.unseen = [];
  window.missed = () => [...window.toReach].map(name);
  return visible.length;
})()
"""


def _value(debugger: CDPSession, expression: str):
    options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    answer = debugger.send("Runtime.evaluate", options)
    assert "exceptionDetails" not in answer, answer["exceptionDetails"]
    return answer["result"].get("value")


def look(page: Page, schemes=SCHEMES, sizes=SIZES) -> list[str]:
    """What is wrong with the page in each scheme and size; its closed parts are opened first."""
    debugger = page.context.new_cdp_session(page)
    _value(debugger, SOURCE + ";0")
    _value(debugger, "document.querySelectorAll('details:not(.menu)').forEach((part) => { part.open = true; })")
    wrong = []
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        # Charts are drawn anew in the new size.
        deadline = time.monotonic() + 5
        while (wider := _value(debugger, WIDER)) and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        wrong += [f"{width} px: stands out: {part}" for part in wider]
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            wrong += [f"{width} px, {scheme}: {finding}" for finding in _value(debugger, RUN)]
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    debugger.detach()
    return wrong


def walk(page: Page) -> list[str]:
    """What the Tab key does not reach, or reaches without a mark that can be seen."""
    debugger = page.context.new_cdp_session(page)
    offered = _value(debugger, FOLLOW)
    # A field for a date takes several steps.
    for _ in range(4):
        for _ in range(offered + 2):
            page.keyboard.press("Tab")
        if not _value(debugger, "window.toReach.size"):
            break
    wrong = [f"not reached: {name}" for name in _value(debugger, "window.missed()")]
    wrong += [f"no visible focus: {name}" for name in _value(debugger, "window.unseen")]
    debugger.detach()
    return wrong
