// Keeps numbers on a page as they are in the service, while somebody looks at it.
//
// An element with `data-live-from` names an address that answers `{"numbers": {"name": "text", …}}`. Each element below it with
// `data-live="name"` gets that text; a <time> gets the instant. The whole answer is also told to other scripts, as the event
// `live-numbers`. It is asked every two seconds, less often while it fails or nothing changes, and not while the page is hidden.
"use strict";

(() => {
  const OFTEN = 2_000;
  const SELDOM = 60_000;

  function put(element, value) {
    if (element instanceof HTMLTimeElement) {
      if (element.dateTime === value) return;
      element.dateTime = value;
      // It is shown as every other time of the page is.
      element.parentElement.dispatchEvent(new CustomEvent("gmtech:shown", { bubbles: true }));
    } else if (element.textContent !== value) {
      element.textContent = value;
    }
  }

  function follow(root) {
    let last = "";
    let wait = OFTEN;
    let timer = 0;

    async function look() {
      timer = 0;
      try {
        const answer = await fetch(root.dataset.liveFrom, { headers: { accept: "application/json" }, redirect: "error" });
        // Signed out, or not there any more: a reload says so.
        if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return;
        if (!answer.ok) throw new Error(String(answer.status));
        const text = await answer.text();
        if (text === last) {
          // What stands still is looked at less often, down to every four seconds.
          wait = Math.min(wait * 1.1, 2 * OFTEN);
        } else {
          const told = JSON.parse(text);
          for (const element of root.querySelectorAll("[data-live]")) {
            const value = told.numbers?.[element.dataset.live];
            if (value !== undefined && value !== null) put(element, value);
          }
          document.dispatchEvent(new CustomEvent("live-numbers", { detail: told }));
          wait = OFTEN;
          last = text;
        }
      } catch {
        wait = Math.min(wait * 2, SELDOM);
      }
      next();
    }

    function next() {
      if (!timer && !document.hidden) timer = setTimeout(look, wait);
    }

    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      timer = 0;
      wait = OFTEN;
      if (!document.hidden) look();
    });
    next();
  }

  const start = () => document.querySelectorAll("[data-live-from]").forEach(follow);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
