"use strict";
// One exchange, opened: a bar for each part of its time, where its records lie, and the way to its trace.

// One bar for the whole, one for each leg, and within the service's leg what it says of itself.
function bars(example) {
  const legs = example.legs_ms, known = (name) => legs[name] ?? null, found = [["in all", 0, example.latency_ms, "whole"]];
  let from = 0, served = null;
  ["schedule", "request", "service", "reply"].forEach((name, at) => {
    if (name === "service") served = from;
    if (known(name) === null) return;
    found.push([name, from, known(name), `f${at + 1}`]);
    from += known(name);
    if (name !== "service") return;
    for (const [said, length] of example.service_ms ?? []) {
      found.push([`· ${said}`, served, length, "said"]);
      served += length;
    }
  });
  if (known("service") === null) for (const [said, length] of example.service_ms ?? []) {
    found.push([`· ${said}`, served, length, "said"]);
    served += length;
  }
  if (known("ack") !== null) found.push(["ack", known("schedule") ?? 0, known("ack"), "f5"]);
  return found;
}

function waterfall(example) {
  const all = bars(example), span = Math.max(0.001, ...all.map(([, start, length]) => start + length));
  const spoken = all.slice(1).map(([name, start, length]) => `${name} from ${figure(start)} for ${figure(length)} ms`).join("; ");
  const picture = shape("svg", { viewBox: `0 0 560 ${all.length * 26 + 24}`, role: "img", "aria-label": spoken || "no legs are known" });
  all.forEach(([name, start, length, colour], at) => {
    const y = at * 26 + 4;
    picture.append(shape("text", { x: 0, y: y + 13 }, name.length > 14 ? `${name.slice(0, 13)}…` : name));
    picture.append(shape("rect", { class: colour, x: 90 + start / span * 380, y, width: Math.max(1.5, length / span * 380), height: 18 }));
    picture.append(shape("text", { x: 555, y: y + 13, "text-anchor": "end" }, `${figure(length)} ms`));
  });
  picture.append(shape("text", { x: 90, y: all.length * 26 + 18 }, "0"));
  picture.append(shape("text", { x: 470, y: all.length * 26 + 18, "text-anchor": "end" }, `${figure(span)} ms`));
  return picture;
}

function openExchange(example) {
  const close = element("button", { type: "button" }, "Close");
  const dialog = element("dialog", { "aria-label": `Exchange ${example.trace_id}` },
    element("h2", {}, `${example.kind}: ${example.name}`),
    element("p", {}, `${figure(example.latency_ms)} ms${example.reason ? `: ${example.reason}` : ""}`),
    waterfall(example),
    example.service_ms?.length ? element("p", { class: "hint" }, "· what the service says of its own time (server-timing), one after the other") : null,
    ...[["Request", example.request_at], ["Reply", example.reply_at]].filter(([, place]) => place).map(([what, place]) =>
      element("p", {}, `${what}: `, element("code", {}, place))),
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
