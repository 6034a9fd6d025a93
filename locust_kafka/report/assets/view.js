"use strict";
// Draws a run: charts, tables, findings.  The live page and the report share it.  Text from outside goes through
// textContent only, so no name, key or header can become markup.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400, HEIGHT = 180, LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 22;
const MAX_POINTS = 600;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function shape(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function figure(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { maximumSignificantDigits: Math.max(digits, String(Math.trunc(Math.abs(value))).length) });
}

function time(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

// The columns of the history as objects, and at most MAX_POINTS of them: of neighbours the worst stands.
function points(history) {
  const rows = history.rows.map((row) => Object.fromEntries(history.columns.map((name, at) => [name, row[at]])));
  const step = Math.ceil(rows.length / MAX_POINTS);
  if (step < 2) return rows;
  const thinned = [];
  for (let at = 0; at < rows.length; at += step) {
    const group = rows.slice(at, at + step), one = { ...group.at(-1) };
    for (const name of history.columns) {
      const known = group.map((row) => row[name]).filter((value) => value !== null);
      if (name.endsWith("_ms")) one[name] = known.length ? Math.max(...known) : null;
      else if (!["at_s", "users", "pending"].includes(name)) one[name] = known.reduce((sum, value) => sum + value, 0);
    }
    thinned.push(one);
  }
  return thinned;
}

function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value);
}

// One chart.  series: [{label, of: row → number or null}]; stacked: whether they add up.
function chart(target, rows, { title, hint, unit, series, stacked = false }) {
  const values = rows.map((row) => series.map(({ of }) => of(row)));
  const heights = values.map((row) => stacked ? row.reduce((sum, value) => sum + (value ?? 0), 0) : Math.max(0, ...row.filter((v) => v !== null)));
  const top = ceiling(Math.max(0, ...heights));
  const first = rows[0]?.at_s ?? 0, last = rows.at(-1)?.at_s ?? 1, span = Math.max(1, last - first);
  const x = (row) => LEFT + (rows[row].at_s - first) / span * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
  const words = series.map(({ label }, at) => {
    const known = values.map((row) => row[at]).filter((value) => value !== null);
    return `${label}: now ${figure(values.at(-1)?.[at] ?? null)}, at most ${known.length ? figure(Math.max(...known)) : "–"}`;
  });
  const picture = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}, ${unit}. ${words.join("; ")}` });
  for (const share of [0, 0.5, 1]) {
    picture.append(shape("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share * top), y2: y(share * top) }));
    picture.append(shape("text", { x: LEFT - 6, y: y(share * top) + 4, "text-anchor": "end" }, figure(share * top)));
  }
  if (rows.length) {
    picture.append(shape("text", { x: LEFT, y: HEIGHT - 6 }, time(first)));
    picture.append(shape("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, time(last)));
  }
  const floor = rows.map(() => 0);
  series.forEach((_, at) => {
    if (stacked) {
      const upper = values.map((row, index) => floor[index] + (row[at] ?? 0));
      const edge = upper.map((value, index) => `${x(index)},${y(value)}`);
      const back = floor.map((value, index) => `${x(index)},${y(value)}`).reverse();
      if (rows.length > 1) picture.append(shape("polygon", { class: `f${at + 1}`, points: [...edge, ...back].join(" ") }));
      upper.forEach((value, index) => { floor[index] = value; });
    } else {
      let path = "", pen = "M";
      values.forEach((row, index) => {
        if (row[at] === null) { pen = "M"; return; }
        path += `${pen}${x(index).toFixed(1)} ${y(row[at]).toFixed(1)}`;
        pen = "L";
      });
      picture.append(shape("path", { class: `line s${at + 1}`, d: path }));
    }
  });
  const legend = element("ul", { class: "legend" }, ...series.map(({ label }, at) => {
    const mark = shape("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" });
    mark.append(shape("rect", { class: `f${at + 1}`, width: 12, height: 12 }));
    return element("li", {}, mark, label, element("span", {}, ""));
  }));
  const card = element("section", { class: "card" }, element("h2", {}, `${title}, ${unit}`), element("p", { class: "hint" }, hint));
  const holder = element("div", { class: "chart", tabindex: "0", role: "group", "aria-label": `${title}: arrow keys move along time` }, picture);
  const spoken = element("p", { class: "reader", "aria-live": "polite" });
  const cursor = shape("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  picture.append(cursor);
  let at = rows.length - 1;
  const show = (index, aloud) => {
    if (!rows.length) return;
    at = Math.max(0, Math.min(rows.length - 1, index));
    cursor.setAttribute("x1", x(at));
    cursor.setAttribute("x2", x(at));
    cursor.setAttribute("visibility", "visible");
    [...legend.children].forEach((item, n) => { item.lastChild.textContent = ` ${figure(values[at][n])}`; });
    if (aloud) spoken.textContent = `${time(rows[at].at_s)}: ${series.map(({ label }, n) => `${label} ${figure(values[at][n])}`).join(", ")}`;
  };
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
    if (step) { event.preventDefault(); show(at + step, true); }
  });
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const wanted = first + ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * span;
    let near = 0;
    rows.forEach((row, index) => { if (Math.abs(row.at_s - wanted) < Math.abs(rows[near].at_s - wanted)) near = index; });
    show(near, false);
  });
  card.append(holder, legend, spoken);
  target.append(card);
}

const perSecond = (name) => (row) => row[name] / row.length_s;
const plain = (name) => (row) => row[name];

function charts(target, history) {
  const rows = points(history);
  const open = rows.some((row) => row.due);
  chart(target, rows, {
    title: "Rate", unit: "requests/s", hint: open ? "Planned by --kafka-rate, and sent." : "Closed model: users send when their last request has ended.",
    series: [...(open ? [{ label: "offered", of: perSecond("due") }] : []), { label: "sent", of: perSecond("registered") }, { label: "matched", of: perSecond("matched") }],
  });
  chart(target, rows, {
    title: "End-to-end latency", unit: "ms", hint: "From the intended start to the reply. A timeout counts at its timeout.",
    series: ["p50", "p95", "p99"].map((name) => ({ label: name, of: plain(`${name}_ms`) })),
  });
  chart(target, rows, {
    title: "Where the time went", unit: "ms, mean", stacked: true, hint: "schedule: nobody was free. request: to the log. service: from log to log. reply: to us.",
    series: ["schedule", "request", "service", "reply"].map((name) => ({ label: name, of: plain(`${name}_ms`) })),
  });
  chart(target, rows, {
    title: "What went wrong", unit: "per second", hint: "Timeouts, late replies, duplicates, what the broker refused, and arrivals that nobody took.",
    series: ["timed_out", "late", "duplicates", "undelivered", "dropped"].map((name) => ({ label: name.replace("_", " "), of: perSecond(name) })),
  });
  chart(target, rows, {
    title: "Under way", unit: "requests", hint: "Sent and not ended yet, and the users there are.",
    series: [{ label: "pending", of: plain("pending") }, { label: "users", of: plain("users") }],
  });
  chart(target, rows, {
    title: "The generator itself", unit: "ms", hint: "The longest lag of its hub in each second: what is late here is not the service's fault.",
    series: [{ label: "hub lag", of: plain("hub_lag_ms") }],
  });
}

function table(caption, head, rows) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, element("table", {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell, at) => {
      const words = typeof cell === "string" && !/^[-+\d.,–]*$/.test(cell);
      const left = words || cell?.className === "words";
      return element(at ? "td" : "th", { ...(at ? {} : { scope: "row" }), ...(left ? { class: "words" } : {}) }, cell ?? "–");
    }))))));
}

const STATISTICS = ["count", "mean", "p50", "p90", "p95", "p99", "p999", "max"];
const STATISTIC_TITLES = STATISTICS.map((name) => name === "p999" ? "p99.9" : name);

function statistics(summaries) {
  return Object.entries(summaries).map(([name, one]) => [name, ...STATISTICS.map((key) => figure(one[key]))]);
}

function waterfall(example) {
  const legs = example.legs_ms, bars = [];
  let from = 0;
  for (const name of ["schedule", "request", "service", "reply"]) {
    if (legs[name] === undefined || legs[name] === null) continue;
    bars.push([name, from, legs[name]]);
    from += legs[name];
  }
  if (legs.ack !== undefined && legs.ack !== null) bars.push(["ack", legs.schedule ?? 0, legs.ack]);
  const span = Math.max(example.latency_ms, from, ...bars.map(([, start, length]) => start + length), 0.001);
  const picture = shape("svg", { viewBox: `0 0 560 ${bars.length * 26 + 24}`, role: "img", "aria-label": bars.map(([name, start, length]) => `${name} from ${figure(start)} for ${figure(length)} ms`).join("; ") || "no legs are known" });
  bars.forEach(([name, start, length], at) => {
    const y = at * 26 + 4;
    picture.append(shape("text", { x: 0, y: y + 13 }, name));
    picture.append(shape("rect", { class: `f${at % 5 + 1}`, x: 70 + start / span * 400, y, width: Math.max(1.5, length / span * 400), height: 18 }));
    picture.append(shape("text", { x: 555, y: y + 13, "text-anchor": "end" }, `${figure(length)} ms`));
  });
  picture.append(shape("text", { x: 70, y: bars.length * 26 + 18 }, "0"));
  picture.append(shape("text", { x: 470, y: bars.length * 26 + 18, "text-anchor": "end" }, `${figure(span)} ms`));
  return picture;
}

function openExchange(example) {
  const close = element("button", { type: "button" }, "Close");
  const dialog = element("dialog", { "aria-label": `Exchange ${example.trace_id}` },
    element("h2", {}, `${example.kind}: ${example.name}`),
    element("p", {}, `${figure(example.latency_ms)} ms${example.reason ? `: ${example.reason}` : ""}`),
    waterfall(example),
    element("p", {}, "Trace id ", element("code", {}, example.trace_id)),
    example.link ? element("p", {}, element("a", { href: safe(example.link), target: "_blank", rel: "noopener noreferrer" }, "Open its trace")) : null,
    close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function safe(link) {
  return /^https?:\/\//.test(link) ? link : "#";
}

function examples(summary) {
  return table("Exchanges worth a look: open one to see where its time went", ["kind", "name", "latency, ms", "trace id", "reason"], summary.examples.map((example) => {
    const button = element("button", { type: "button" }, example.trace_id);
    button.addEventListener("click", () => openExchange(example));
    return [example.kind, example.name, figure(example.latency_ms), button, example.reason || ""];
  }));
}

function banner(data) {
  const bad = data.refusal || data.summary.invalid.length || data.summary.checks.some((check) => !check.passed) || (data.ended && !data.summary.valid);
  const made = element("div", { class: `banner ${bad ? "bad" : data.ended ? "good" : ""}`, role: "status" }, element("p", { class: "verdict" }, data.verdict));
  for (const sentence of [data.words, data.refusal, ...data.summary.invalid, ...data.summary.self_check.findings]) {
    if (sentence) made.append(element("p", {}, sentence));
  }
  return made;
}

function details(target, data) {
  const summary = data.summary, wide = (...inside) => target.append(element("section", { class: "card wide" }, ...inside));
  const narrow = (...inside) => target.append(element("section", { class: "card" }, ...inside));
  if (data.summary.checks.length) {
    wide(element("h2", {}, "Checks"), table("What was asked for, and what was found", ["check", "found", ""], data.summary.checks.map((check) =>
      [check.text, check.found, element("span", { class: check.passed ? "good-text" : "bad-text" }, check.passed ? "ok" : "failed")])));
  }
  wide(element("h2", {}, "Latency, ms"), table(`e2e: what a customer waits, timeouts at their timeout. send: to the broker's ack${summary.latency_since ? ` (${summary.latency_since})` : ""}`, ["", ...STATISTIC_TITLES], statistics(summary.latency_ms)),
    table(`Legs of matched exchanges${summary.legs_unavailable ? `: ${summary.legs_unavailable}` : ""}`, ["", ...STATISTIC_TITLES], statistics(summary.legs_ms)));
  wide(element("h2", {}, "Worth a look"), examples(summary));
  const counts = (of) => Object.entries(of).map(([name, count]) => [name.replace("_", " "), figure(count, 15)]);
  narrow(element("h2", {}, "Requests"), table("One outcome each", ["outcome", "count"], counts(summary.requests)));
  narrow(element("h2", {}, "Replies"), table("One verdict each", ["verdict", "count"], counts(summary.replies)));
  narrow(element("h2", {}, "The books"), table(summary.balanced ? "They balance" : "THEY DO NOT BALANCE", ["equation", ""], summary.equations.map((law) =>
    [law.text, element("span", { class: law.holds ? "good-text" : "bad-text" }, law.holds ? "holds" : "broken")])));
  const names = Object.entries(summary.names);
  if (names.length > 1) {
    wide(element("h2", {}, "By request name"), table("e2e, ms", ["name", ...STATISTIC_TITLES], names.map(([name, one]) => [name, ...STATISTICS.map((key) => figure(one.latency_ms.e2e[key]))])));
  }
  if (Object.keys(data.facts).length) {
    wide(element("h2", {}, "The run"), table("Settings and versions", ["", ""], Object.entries(data.facts).map(([name, value]) => [name, element("span", { class: "words" }, value)])));
  }
}

const CURVE = ["min", "p50", "p90", "p95", "p99", "p999", "max"];

// Overlaid percentile curves of several runs, in the colours of the series.
function curves(runs) {
  const top = ceiling(Math.max(0, ...runs.flatMap(({ summary }) => CURVE.map((name) => summary.latency_ms.e2e[name] ?? 0))));
  const x = (at) => LEFT + at / (CURVE.length - 1) * (WIDTH - LEFT - RIGHT - 20);
  const y = (value) => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
  const picture = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": runs.map(({ label, summary }) => `${label}: ${CURVE.map((name) => `${name} ${figure(summary.latency_ms.e2e[name])}`).join(", ")}`).join("; ") });
  for (const share of [0, 0.5, 1]) {
    picture.append(shape("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share * top), y2: y(share * top) }));
    picture.append(shape("text", { x: LEFT - 6, y: y(share * top) + 4, "text-anchor": "end" }, figure(share * top)));
  }
  CURVE.forEach((name, at) => picture.append(shape("text", { x: x(at), y: HEIGHT - 6, "text-anchor": "middle" }, name === "p999" ? "p99.9" : name)));
  runs.forEach(({ summary }, at) => {
    const known = CURVE.map((name, place) => [place, summary.latency_ms.e2e[name]]).filter(([, value]) => value !== null);
    picture.append(shape("polyline", { class: `line s${at % 5 + 1}`, points: known.map(([place, value]) => `${x(place)},${y(value)}`).join(" ") }));
  });
  const legend = element("ul", { class: "legend" }, ...runs.map(({ label }, at) => {
    const mark = shape("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" });
    mark.append(shape("rect", { class: `f${at % 5 + 1}`, width: 12, height: 12 }));
    return element("li", {}, mark, label);
  }));
  return element("section", { class: "card wide" }, element("h2", {}, "End-to-end latency, ms"), picture, legend);
}

// Figures of several runs, and how each differs from the first.
function differences(runs) {
  const rows = [];
  const add = (name, of) => {
    const values = runs.map(({ summary }) => of(summary));
    rows.push([name, ...values.map((value, at) => {
      const change = at && value !== null && values[0] ? ` (${value >= values[0] ? "+" : ""}${((value / values[0] - 1) * 100).toFixed(1)} %)` : "";
      return `${figure(value)}${change}`;
    })]);
  };
  for (const name of ["p50", "p95", "p99", "max"]) add(`e2e ${name}, ms`, (summary) => summary.latency_ms.e2e[name]);
  for (const leg of ["request", "service", "reply"]) add(`${leg}, mean ms`, (summary) => summary.legs_ms[leg]?.mean ?? null);
  add("requests/s", (summary) => summary.achieved_rate);
  for (const name of ["registered", "timed_out", "undelivered"]) add(name.replace("_", " "), (summary) => summary.requests[name]);
  for (const name of ["late", "duplicate"]) add(`${name} replies`, (summary) => summary.replies[name]);
  return element("section", { class: "card wide" }, element("h2", {}, "Differences"),
    table("Each run, and its difference from the first", ["", ...runs.map(({ label }) => label)], rows),
    table("What came of each", ["run", "verdict"], runs.map(({ label, summary }) => [label, summary.verdict])));
}

function compare(runs) {
  document.querySelector("main").replaceChildren(element("div", { class: "grid" }, curves(runs), differences(runs)));
}

function render(data) {
  if (data.compare) { compare(data.compare); return; }
  const main = document.querySelector("main");
  const drawn = element("div", { class: "grid" }), rest = element("div", { class: "grid" });
  charts(drawn, data.history);
  details(rest, data);
  main.replaceChildren(banner(data), drawn, element("br"), rest);
}
