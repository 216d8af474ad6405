// Writes what proxies report into the page of limits, as it comes.
"use strict";

(() => {
  const box = document.querySelector("[data-limits]");
  const note = document.querySelector("[data-live-state]");
  if (!box || !window.EventSource) return;

  const number = new Intl.NumberFormat("en");
  let source;

  function say(text) {
    if (note.textContent !== text) note.textContent = text;
  }

  function words(level) {
    const parts = [`${number.format(level.used)} of ${number.format(level.limit)} used`];
    if (level.reserved > 0) parts.push(`${number.format(level.reserved)} reserved`);
    if (level.proxies > 1) parts.push(`at ${level.proxies} Envoys, each up to ${number.format(level.limit)}`);
    return parts.join(" · ");
  }

  function showLevel(element, level) {
    const meter = element.querySelector("meter");
    const text = element.querySelector(".level-text");
    const limit = level ? level.limit * level.proxies : Number(element.dataset.limit);
    meter.max = limit;
    meter.value = level ? Math.min(level.used, limit) : 0;
    text.textContent = level ? words(level) : `no traffic · limit ${number.format(limit)}`;
    element.classList.toggle("level-full", Boolean(level) && level.used >= limit);
  }

  function showRefused(cell, refused) {
    const reasons = Object.entries(refused);
    const shown = reasons.map(([reason, n]) => {
      const badge = document.createElement("span");
      badge.className = "badge badge-warn";
      badge.textContent = `${number.format(n)} ${reason.replaceAll("_", " ")}`;
      return badge;
    });
    if (shown.length === 0) {
      const none = document.createElement("span");
      none.className = "muted";
      none.textContent = "none";
      shown.push(none);
    }
    cell.replaceChildren(...shown.flatMap((badge) => [badge, " "]));
  }

  function show(state) {
    for (const row of box.querySelectorAll("tr[data-key]")) {
      const key = state.keys[row.dataset.key];
      if (!key) continue;
      for (const element of row.querySelectorAll("[data-level]")) showLevel(element, key.levels[element.dataset.level]);
      showRefused(row.querySelector("[data-refused]"), key.refused);
    }
  }

  function follow() {
    source = new EventSource(box.dataset.limits);
    source.onopen = () => say("Live.");
    source.onmessage = (event) => { say("Live."); show(JSON.parse(event.data)); };
    source.onerror = () => {
      say(source.readyState === EventSource.CLOSED ? "Not live: reload the page." : "Connecting again…");
    };
  }

  // A page that nobody sees makes no proxy report.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source.close(); say("Paused."); } else if (source.readyState === EventSource.CLOSED) follow();
  });
  follow();
})();
