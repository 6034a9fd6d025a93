"use strict";
// What drawings are made of, and a chart along time.  Text from outside goes through textContent only, so no name, key
// or header can become markup.

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
      if (/_(ms|core)$|^lag$/.test(name)) one[name] = known.length ? Math.max(...known) : null;
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

// Where rows and values lie in the picture.
function scales(rows, values, stacked) {
  const sums = values.map((row) => stacked ? row.reduce((sum, value) => sum + (value ?? 0), 0) : Math.max(0, ...row.filter((v) => v !== null)));
  const top = ceiling(Math.max(0, ...sums)), first = rows[0]?.at_s ?? 0, span = Math.max(1, (rows.at(-1)?.at_s ?? 1) - first);
  return {
    top, first, span,
    x: (row) => LEFT + (rows[row].at_s - first) / span * (WIDTH - LEFT - RIGHT),
    y: (value) => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM),
  };
}

function axes(picture, rows, { top, y }) {
  for (const share of [0, 0.5, 1]) {
    picture.append(shape("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share * top), y2: y(share * top) }));
    picture.append(shape("text", { x: LEFT - 6, y: y(share * top) + 4, "text-anchor": "end" }, figure(share * top)));
  }
  if (!rows.length) return;
  picture.append(shape("text", { x: LEFT, y: HEIGHT - 6 }, time(rows[0].at_s)));
  picture.append(shape("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, time(rows.at(-1).at_s)));
}

function areas(picture, values, series, { x, y }) {
  const floor = values.map(() => 0);
  series.forEach((_, at) => {
    const upper = values.map((row, index) => floor[index] + (row[at] ?? 0));
    const edge = upper.map((value, index) => `${x(index)},${y(value)}`);
    const back = floor.map((value, index) => `${x(index)},${y(value)}`).reverse();
    if (values.length > 1) picture.append(shape("polygon", { class: `f${at + 1}`, points: [...edge, ...back].join(" ") }));
    upper.forEach((value, index) => { floor[index] = value; });
  });
}

function lines(picture, values, series, { x, y }) {
  series.forEach((_, at) => {
    let path = "", pen = "M";
    values.forEach((row, index) => {
      if (row[at] === null) { pen = "M"; return; }
      path += `${pen}${x(index).toFixed(1)} ${y(row[at]).toFixed(1)}`;
      pen = "L";
    });
    picture.append(shape("path", { class: `line s${at + 1}`, d: path }));
  });
}

// What happened at an instant: a line through the chart, with its words for whoever points at it.
function mark(picture, marks, { first, span }, rows) {
  for (const [atS, words] of marks) {
    if (!rows.length || atS < first || atS > first + span) continue;
    const at = LEFT + (atS - first) / span * (WIDTH - LEFT - RIGHT);
    const line = shape("line", { class: "mark", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM });
    line.append(shape("title", {}, `${time(atS)} ${words}`));
    picture.append(line);
  }
}

// A time that stands out: a band behind the lines, with its words for whoever points at it.
function band(picture, bands, { first, span }, rows) {
  for (const { from_s: fromS, to_s: toS, words } of bands) {
    const [left, right] = [fromS, toS].map((atS) => LEFT + Math.max(0, Math.min(1, (atS - first) / span)) * (WIDTH - LEFT - RIGHT));
    if (!rows.length || right <= left) continue;
    const area = shape("rect", { class: "band", x: left, width: right - left, y: TOP, height: HEIGHT - TOP - BOTTOM });
    area.append(shape("title", {}, `${time(fromS)} to ${time(toS)}: ${words}`));
    picture.append(area);
  }
}

function legendOf(series) {
  return element("ul", { class: "legend" }, ...series.map(({ label }, at) => {
    const mark = shape("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" });
    mark.append(shape("rect", { class: `f${at + 1}`, width: 12, height: 12 }));
    return element("li", {}, mark, label, element("span", {}, ""));
  }));
}

// A cursor that follows the pointer and the arrow keys; the keys are read aloud.
function follow(holder, picture, legend, spoken, rows, values, series, { x, first, span }) {
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
}

// One chart.  series: [{label, of: row → number or null}]; stacked: whether they add up; marks: [[s since 1970, words]];
// bands: [{from_s, to_s, words}].
function chart(target, rows, { title, hint, unit, series, stacked = false, marks = [], bands = [] }) {
  const values = rows.map((row) => series.map(({ of }) => of(row))), at = scales(rows, values, stacked);
  const words = series.map(({ label }, n) => {
    const known = values.map((row) => row[n]).filter((value) => value !== null);
    return `${label}: now ${figure(values.at(-1)?.[n] ?? null)}, at most ${known.length ? figure(Math.max(...known)) : "–"}`;
  });
  const picture = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}, ${unit}. ${words.join("; ")}` });
  axes(picture, rows, at);
  band(picture, bands, at, rows);
  mark(picture, marks, at, rows);
  (stacked ? areas : lines)(picture, values, series, at);
  const legend = legendOf(series), spoken = element("p", { class: "reader", "aria-live": "polite" });
  const holder = element("div", { class: "chart", tabindex: "0", role: "group", "aria-label": `${title}: arrow keys move along time` }, picture);
  follow(holder, picture, legend, spoken, rows, values, series, at);
  target.append(element("section", { class: "card" }, element("h2", {}, `${title}, ${unit}`), element("p", { class: "hint" }, hint), holder, legend, spoken));
}
