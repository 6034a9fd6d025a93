"use strict";
// Follows a run: events bring the whole history first, then the rows that changed.

const rows = new Map();
let run = null;

function merge(data) {
  if (data.run !== run) {
    rows.clear();
    run = data.run;
  }
  for (const row of data.history.rows) rows.set(row[0], row);
  data.history.rows = [...rows.values()].sort((one, other) => one[0] - other[0]);
  return data;
}

// Drawing again must not take the focus or the place in a table away from whoever is using them.
function keepingPlace(draw) {
  const main = document.querySelector("main"), reachable = "button, a, [tabindex]";
  const focused = [...main.querySelectorAll(reachable)].indexOf(document.activeElement);
  const scrolled = [...main.querySelectorAll(".scroll")].map((table) => table.scrollLeft);
  draw();
  [...main.querySelectorAll(".scroll")].forEach((table, at) => { table.scrollLeft = scrolled[at] ?? 0; });
  if (focused >= 0) main.querySelectorAll(reachable)[focused]?.focus({ preventScroll: true });
}

const said = document.getElementById("connection");
const source = new EventSource("events");
source.onmessage = (event) => {
  const data = merge(JSON.parse(event.data));
  said.textContent = `as of ${new Date().toLocaleTimeString("en-GB")}`;
  if (!document.querySelector("dialog[open]")) keepingPlace(() => render(data));
};
source.onerror = () => { said.textContent = "Locust does not answer; trying again"; };
