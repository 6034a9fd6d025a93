"use strict";
// Draws a run: charts, tables, findings.  The live page and the report share it, and `charts.js` and `exchange.js`.

const perSecond = (name) => (row) => row[name] / row.length_s;
const plain = (name) => (row) => row[name];

function charts(target, history, { group, events = [], disturbances: bands = [] }) {
  const marks = events;
  const rows = points(history);
  const open = rows.some((row) => row.due);
  chart(target, rows, {
    title: "Rate", unit: "requests/s", hint: open ? "Planned by --kafka-rate, and sent." : "Closed model: users send when their last request has ended.",
    series: [...(open ? [{ label: "offered", of: perSecond("due") }] : []), { label: "sent", of: perSecond("registered") }, { label: "matched", of: perSecond("matched") }],
  });
  chart(target, rows, {
    title: "End-to-end latency", unit: "ms", hint: `From the intended start to the reply. A timeout counts at its timeout.${marks.length ? " Lines: what happened to the cluster and the service's group." : ""}${bands.length ? " Grey: when the run was disturbed." : ""}`, marks, bands,
    series: ["p50", "p95", "p99"].map((name) => ({ label: name, of: plain(`${name}_ms`) })),
  });
  chart(target, rows, {
    title: "Where the time went", unit: "ms, mean", stacked: true, hint: "schedule: nobody was free. request: to the log. service: from log to log. reply: to us.",
    series: ["schedule", "request", "service", "reply"].map((name) => ({ label: name, of: plain(`${name}_ms`) })),
  });
  if (group) chart(target, rows, {
    title: "How far behind the service is", unit: "records", hint: `Appended and not committed by group ${group.name}; lines: its rebalances.`, marks: group.events, bands,
    series: [{ label: "lag", of: (row) => row.lag ?? null }],
  });
  chart(target, rows, {
    title: "What went wrong", unit: "per second", hint: "Timeouts, late replies, duplicates, what the broker refused, and arrivals that nobody took.", marks, bands,
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
  chart(target, rows, {
    title: "Its core", unit: "% of a core", hint: "What the hub's thread takes of its core. Near 100 the generator can do no more: add workers.",
    series: [{ label: "hub", of: (row) => row.hub_core === undefined ? null : 100 * row.hub_core }],
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

// The part of the request leg that passed before the socket; a summary of an earlier version has none.
function beforeTheWire({ before_the_wire: waits }) {
  if (!waits) return null;
  const { queue, buffer, share_of_request: share, producers } = waits;
  const said = [share === null ? "" : `${figure(100 * share)} % of the mean request leg. `, producers.watched === producers.all ? "" : `Of ${producers.watched} of ${producers.all} producers. `].join("");
  const row = (name, of) => [name, figure(of.count, 15), figure(of.mean), figure(of.window_p50_max), figure(of.window_p99_max), figure(of.max)];
  return table(`Before the wire: what requests waited in librdkafka, for instance for an earlier one's answer. ${said}p50 and p99 are the largest of any window of its statistics`, ["", "count", "mean", "p50", "p99", "max"], [
    row("queue: a record, until it is in a request", queue), row("buffer: a request, until it is written", buffer)]);
}

// Which replies the processes read; one process that reads all has nothing to tell.
function routing({ reply_routing: processes = {}, replies_of_other_workers: siblings }) {
  const told = Object.entries(processes);
  if (told.length < 2 && (!told.length || (told[0][0] === "shared" && told[0][1] === 1))) return null;
  return table(`Reply routing, and how many processes went by it. Of the foreign replies ${figure(siblings, 15)} are of this run's other workers`,
    ["routing", "processes"], told.sort().map(([words, count]) => [words, figure(count, 9)]));
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
  const failing = data.ended ? [] : data.summary.checks.filter((check) => !check.passed).map((check) => `${check.text} does not hold so far: ${check.found}`);
  for (const sentence of [data.words, data.refusal, ...failing, ...data.summary.invalid, ...data.summary.self_check.findings]) {
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
    table(`Legs of matched exchanges${summary.legs_unavailable ? `: ${summary.legs_unavailable}` : ""}`, ["", ...STATISTIC_TITLES], statistics(summary.legs_ms)), beforeTheWire(summary));
  wide(element("h2", {}, "Worth a look"), examples(summary));
  const counts = (of) => Object.entries(of).map(([name, count]) => [name.replace("_", " "), figure(count, 15)]);
  narrow(element("h2", {}, "Requests"), table("One outcome each", ["outcome", "count"], counts(summary.requests)));
  narrow(element("h2", {}, "Replies"), table("One verdict each", ["verdict", "count"], counts(summary.replies)), routing(summary));
  narrow(element("h2", {}, "The books"), table(summary.balanced ? "They balance" : "THEY DO NOT BALANCE", ["equation", ""], summary.equations.map((law) =>
    [law.text, element("span", { class: law.holds ? "good-text" : "bad-text" }, law.holds ? "holds" : "broken")])));
  if (data.workers.length) {
    wide(element("h2", {}, "Workers"), table("As of the last report of each", ["worker", "state", "Kafka users", "requests/s", "pending", "hub, % of a core", "hub lag, ms", "reported, s ago", "said"],
      data.workers.map((one) => [one.name, one.state, figure(one.users), figure(one.rate), figure(one.pending, 15), figure(100 * one.hub_core), figure(one.hub_lag_ms), figure(one.reported_s, 2), one.failure])));
  }
  if (summary.disturbances?.length) {
    const words = (text) => element("span", { class: "words" }, text);
    wide(element("h2", {}, "Disturbed"), table("Seconds that stand out from the rest of the run, and what happened then", ["when", "for, s", "what stood out", "what happened"],
      summary.disturbances.map((one) => [`${time(one.from_s)} to ${time(one.to_s)}`, figure(one.to_s - one.from_s, 2), words(one.words), words(one.events.map(([at, said]) => `${time(at)} ${said}`).join("; "))])));
  }
  if (summary.group?.events.length) {
    wide(element("h2", {}, `Consumer group ${summary.group.name}`), table(`${figure(summary.group.rebalances, 9)} rebalances seen, one look a second`, ["when", "what"], summary.group.events.map(([at, words]) => [time(at), element("span", { class: "words" }, words)])));
  }
  const names = Object.entries(summary.names);
  if (names.length > 1) {
    wide(element("h2", {}, "By request name"), table(summary.names["(more names)"] ? "e2e, ms. There were too many names: the later ones are counted together as (more names)" : "e2e, ms", ["name", ...STATISTIC_TITLES], names.map(([name, one]) => [name, ...STATISTICS.map((key) => figure(one.latency_ms.e2e[key]))])));
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
  charts(drawn, data.history, data.summary);
  details(rest, data);
  main.replaceChildren(banner(data), drawn, element("br"), rest);
}
