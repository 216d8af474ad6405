// Draws the charts of usage from what stands in their elements (`data-chart`), by uPlot. The tables beside them have the same
// numbers, so nothing is lost where this script does not run.
"use strict";

(() => {
  const COLOURS = 9;
  const charts = new Map();
  const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--chart-${name}`).trim();

  const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
  const whole = new Intl.NumberFormat("en-US");
  const dollars = (digits) =>
    new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: digits });
  const cents = dollars(2);
  const small = dollars(4);

  function text(value, unit) {
    if (value === null || value === undefined) return "";
    if (unit !== "usd") return whole.format(value);
    return Math.abs(value) < 1 && value !== 0 ? small.format(value) : cents.format(value);
  }

  function axisText(value, unit) {
    if (unit !== "usd") return compact.format(value);
    return Math.abs(value) >= 1000 ? `$${compact.format(value)}` : text(value, unit);
  }

  function spanText(seconds, every) {
    const at = new Date(seconds * 1000);
    const day = { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" };
    if (every === "hour") return `${at.toLocaleString("en-GB", { ...day, hour: "2-digit", minute: "2-digit" })} UTC`;
    if (every === "month") return at.toLocaleDateString("en-GB", { timeZone: "UTC", month: "long", year: "numeric" });
    return at.toLocaleDateString("en-GB", day);
  }

  // What is drawn: for stacked bars each group stands on those after it, so that the largest sum is drawn first.
  function drawn(data) {
    const groups = data.series.map((one) => one.values);
    if (!data.stacked) return groups;
    const sums = [];
    let below = data.starts.map(() => 0);
    for (const values of [...groups].reverse()) {
      below = below.map((sum, at) => sum + Math.max(values[at] ?? 0, 0));
      sums.unshift(below);
    }
    return sums;
  }

  function aligned(data) {
    const rows = [data.starts, ...drawn(data)];
    if (data.before) rows.push(data.starts.map((_, at) => data.before.values[at] ?? null));
    return rows;
  }

  function seriesOf(data) {
    const bars = uPlot.paths.bars({ size: [0.72, 48], radius: 0.12 });
    const groups = data.series.map((one, at) => {
      const name = one.other ? COLOURS : (at % (COLOURS - 1)) + 1;
      const stroke = () => colour(name);
      return data.stacked
        ? { label: one.name, stroke, fill: stroke, width: 0, paths: bars, points: { show: false } }
        : { label: one.name, stroke, width: 2, points: { show: data.starts.length < 3 } };
    });
    const before = data.before && {
      label: data.before.name,
      stroke: () => colour("before"),
      width: 1.5,
      dash: [5, 4],
      points: { show: false },
    };
    return [{}, ...groups, ...(before ? [before] : [])];
  }

  // A box beside the pointer with what stands under it.
  function tip(element, data) {
    const box = document.createElement("div");
    box.className = "chart-tip";
    box.hidden = true;
    return {
      hooks: {
        init: (plot) => plot.over.append(box),
        setCursor: (plot) => {
          const at = plot.cursor.idx;
          const now = charts.get(element)?.data ?? data;
          if (at === null || at === undefined || plot.cursor.left < 0) {
            box.hidden = true;
            return;
          }
          const line = (label, value, swatch) => {
            const row = document.createElement("p");
            const mark = document.createElement("span");
            mark.className = `swatch swatch-${swatch}`;
            row.append(mark, `${label}: ${text(value, now.unit)}`);
            return row;
          };
          const head = document.createElement("p");
          head.textContent = spanText(now.starts[at], now.every);
          const rows = now.series
            .map((one, n) => [one.name, one.values[at], one.other ? COLOURS : (n % (COLOURS - 1)) + 1])
            .filter(([, value]) => value)
            .map(([name, value, swatch]) => line(name, value, swatch));
          if (now.before && now.before.values[at] !== undefined) rows.push(line(now.before.name, now.before.values[at], "before"));
          for (const mark of (now.marks ?? []).filter((one) => one.at === at)) {
            const row = document.createElement("p");
            row.textContent = mark.text;
            rows.push(row);
          }
          box.replaceChildren(head, ...rows);
          box.hidden = false;
          const right = plot.cursor.left + box.offsetWidth + 16 < plot.over.clientWidth;
          const x = right ? plot.cursor.left + 12 : Math.max(plot.cursor.left - box.offsetWidth - 12, 0);
          const y = Math.max(Math.min(plot.cursor.top, plot.over.clientHeight - box.offsetHeight), 0);
          box.style.transform = `translate(${x}px, ${y}px)`;
        },
      },
    };
  }

  // Upright lines where something happened, such as a top-up.
  const marks = (element) => ({
    hooks: {
      draw: (plot) => {
        const { data } = charts.get(element) ?? { data: {} };
        for (const mark of data.marks ?? []) {
          const x = plot.valToPos(data.starts[mark.at], "x", true);
          const context = plot.ctx;
          context.save();
          context.strokeStyle = colour(3);
          context.lineWidth = 2;
          context.beginPath();
          context.moveTo(x, plot.bbox.top);
          context.lineTo(x, plot.bbox.top + plot.bbox.height);
          context.stroke();
          context.restore();
        }
      },
    },
  });

  function size(element) {
    return { width: Math.max(element.clientWidth, 200), height: element.classList.contains("small") ? 176 : 256 };
  }

  function draw(element, data) {
    charts.get(element)?.plot.destroy();
    const axis = {
      stroke: () => colour("text"),
      grid: { stroke: () => colour("line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    const step = data.every === "hour" ? 3600 : data.every === "month" ? 31 * 86400 : 86400;
    const first = data.starts[0];
    const last = data.starts[data.starts.length - 1];
    const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const label = (seconds) => {
      const at = new Date(seconds * 1000);
      if (data.every === "hour") return `${String(at.getUTCHours()).padStart(2, "0")}:00`;
      if (data.every === "month") return `${months[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
      return `${at.getUTCDate()} ${months[at.getUTCMonth()]}`;
    };
    const options = {
      ...size(element),
      tzDate: utc,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !data.stacked } },
      scales: {
        x: { range: [first - step * 0.6, last + step * 0.6] },
        y: { range: (_, low, high) => (data.stacked ? [0, Math.max(high * 1.08, 0.000001)] : spread(low, high)) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 64,
          // Only where a span starts.
          splits: (plot, _, from, to) => {
            const fits = Math.max(Math.floor(plot.bbox.width / devicePixelRatio / 64), 2);
            const every = Math.ceil(data.starts.length / fits);
            return data.starts.filter((at, n) => n % every === 0 && at >= from && at <= to);
          },
          values: (_, splits) => splits.map(label),
        },
        { ...axis, size: 64, values: (_, splits) => splits.map((value) => axisText(value, data.unit)) },
      ],
      series: seriesOf(data),
      plugins: [tip(element, data), marks(element)],
    };
    element.replaceChildren();
    const plot = new uPlot(options, aligned(data), element);
    charts.set(element, { plot, data });
    plot.redraw();
  }

  function spread(low, high) {
    const [from, to] = [Math.min(low ?? 0, 0), Math.max(high ?? 0, 0)];
    const room = (to - from) * 0.08 || 1;
    return [from < 0 ? from - room : 0, to + room];
  }

  // The same groups and spans with other numbers need no new chart.
  function update(element, data) {
    const shown = charts.get(element);
    const shape = (one) => JSON.stringify([one.starts, one.series.map((s) => s.name), one.stacked, one.before?.name, one.marks]);
    if (!shown || shape(shown.data) !== shape(data)) return draw(element, data);
    shown.data = data;
    shown.plot.setData(aligned(data));
  }

  function start() {
    for (const element of document.querySelectorAll("[data-chart]")) {
      draw(element, JSON.parse(element.dataset.chart));
      new ResizeObserver(() => {
        const { plot } = charts.get(element);
        const { width, height } = size(element);
        if (Math.abs(plot.width - width) > 1) plot.setSize({ width, height });
      }).observe(element);
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const [element, { data }] of charts) draw(element, data);
    });
    document.addEventListener("live-numbers", (event) => {
      const data = event.detail?.chart;
      const element = document.querySelector("[data-chart-live]");
      if (data && element) update(element, data);
    });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
