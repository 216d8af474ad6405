// What pages do beyond HTML: times in the reader's zone, copying, a new key's guard, the team switch. Every page works without it.
"use strict";

(() => {
  document.documentElement.classList.add("has-script");

  const two = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

  function relative(at) {
    const seconds = Math.round((at - Date.now()) / 1000);
    const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) || ["second", 1];
    return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
  }

  // A <time> shows the reader's zone; what it said, in UTC, stays as its tooltip.
  function showTime(element) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const whole = at.toLocaleString("en", { ...two, timeZoneName: "short" });
    if (element.dataset.time === "relative") {
      element.textContent = relative(at.getTime());
      element.title = whole;
    } else if (element.dataset.time === "day") {
      element.title = whole;
      element.textContent = at.toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
    } else {
      element.title = at.toISOString();
      element.textContent = at.toLocaleString("en", two);
    }
  }

  function say(text) {
    let live = document.getElementById("live");
    if (live) live.textContent = text;
  }

  async function write(text, field) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Without https there is no clipboard: the old way, which needs a selection.
      const from = field || document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
      const type = from.type;
      if (field && type === "password") field.type = "text";
      from.select();
      const done = document.execCommand("copy");
      if (field && type === "password") field.type = type;
      if (!field) from.remove();
      return done;
    }
  }

  let unsaved = false;

  async function copy(button) {
    const from = document.getElementById(button.dataset.copy);
    const field = from && "value" in from ? from : null;
    if (!from) return;
    const done = await write(field ? field.value : from.textContent, field);
    const label = button.dataset.label || (button.dataset.label = button.textContent);
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    say(done ? "Copied to the clipboard." : "Could not copy. Select the text and press Ctrl+C.");
    if (done && button.hasAttribute("data-saves")) unsaved = false;
    if (!done && field) { field.type = "text"; field.focus(); field.select(); return; }
    setTimeout(() => { button.textContent = label; }, 2000);
  }

  function mask(field) {
    const toggle = document.querySelector(`[data-shows="${field.id}"]`);
    const set = (shown) => {
      field.type = shown ? "text" : "password";
      if (toggle) {
        toggle.textContent = shown ? "Hide" : "Show";
        toggle.setAttribute("aria-pressed", String(shown));
      }
    };
    set(false);
    if (toggle) {
      toggle.hidden = false;
      toggle.addEventListener("click", () => set(field.type === "password"));
    }
    // Whoever copies by hand has it too.
    field.addEventListener("copy", () => { unsaved = false; });
    unsaved = true;
  }

  const LEAVE = "The key was not copied yet, and is not shown again. Leave this page?";

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      event.preventDefault();
      copy(button);
      return;
    }
    const link = event.target.closest("a[href]");
    if (link && unsaved && !link.getAttribute("href").startsWith("#") && link.target !== "_blank") {
      if (window.confirm(LEAVE)) unsaved = false; else event.preventDefault();
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  document.addEventListener("submit", (event) => {
    if (unsaved) {
      if (!window.confirm(LEAVE)) { event.preventDefault(); return; }
      unsaved = false;
    }
    // A second click on a form that changes something sends nothing.
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  window.addEventListener("beforeunload", (event) => {
    if (unsaved) { event.preventDefault(); event.returnValue = LEAVE; }
  });

  const start = () => {
    document.querySelectorAll("time[datetime]").forEach(showTime);
    document.querySelectorAll("input[data-secret]").forEach(mask);
    document.querySelector("[data-focus]")?.focus();
    document.querySelector("[role=alert] a, [aria-invalid=true]")?.focus();
    document.querySelectorAll("select[data-submits]").forEach((select) => {
      select.addEventListener("change", () => select.form.requestSubmit());
    });
  };
  // Scripts that put new times into a page ask for them to be shown.
  document.addEventListener("gmtech:shown", (event) => event.target.querySelectorAll("time[datetime]").forEach(showTime));
  start();
})();
