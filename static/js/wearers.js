// The list of wearers: values refresh in place, the order changes only when asked.

import { refreshAges } from "./clock.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { soon } from "./parts.js";
import { inStep } from "./severity.js";
import { sparkline } from "./sparkline.js";

const SPARK_MS = 5 * 60_000;
const PATHS = /** @type {Record<string, [string, string]>} */ ({
  heart_rate: ["vitals", "heart_rate"],
  spo2_percent: ["vitals", "spo2_percent"],
  body_temp_c: ["vitals", "body_temp_c"],
  skin_temp_c: ["vitals", "skin_temp_c"],
});
const list = /** @type {HTMLElement} */ (document.querySelector("#wearers-list"));
const bar = /** @type {HTMLButtonElement} */ (document.querySelector("#order-bar"));
const rows = (/** @type {ParentNode} */ root = list) => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".wearer-row")]);
const row = (/** @type {string} */ user) =>
  /** @type {HTMLElement | null} */ (list.querySelector(`.wearer-row[data-user="${CSS.escape(user)}"]`));

/** @param {HTMLElement} element a row */
function drawSpark(element) {
  const svg = /** @type {SVGSVGElement} */ (element.querySelector(".spark"));
  const { t, y } = JSON.parse(svg.dataset.spark ?? "");
  const severity = element.querySelector('[data-metric="heart_rate"]')?.className.match(/fault-(\w+)/)?.[1];
  const to = t[t.length - 1];
  const gap = 1000 * Math.max(20, 3 * Number(element.dataset.cadence ?? 5));
  sparkline(svg, t, y, { from: to - SPARK_MS, to, gap, stroke: severity ? `var(--${severity})` : "var(--data)" });
}

/** @param {any} event the contract's event */
function show(event) {
  const element = row(event.user_id);
  if (!element || (element.dataset.heard ?? "") > event.timestamp) return;
  element.dataset.heard = event.timestamp;
  element.dataset.cadence ??= "5";
  const seen = /** @type {HTMLElement} */ (element.querySelector(".seen .age"));
  seen.dataset.age = event.timestamp;
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("[data-metric]"))) {
    const [group, field] = PATHS[cell.dataset.metric ?? ""];
    const value = event[group]?.[field];
    if (typeof value === "number") cell.textContent = value.toFixed(cell.dataset.metric?.endsWith("temp_c") ? 1 : 0);
  }
  const heart = event.vitals?.heart_rate;
  if (typeof heart === "number") addSpark(element, Date.parse(event.timestamp), heart);
}

/** @param {HTMLElement} element @param {number} at @param {number} value */
function addSpark(element, at, value) {
  const svg = /** @type {SVGSVGElement} */ (element.querySelector(".spark"));
  const spark = JSON.parse(svg.dataset.spark ?? "");
  if (spark.t.length && at - spark.t[spark.t.length - 1] < 2000) return;
  spark.t.push(at);
  spark.y.push(value);
  while (spark.t[0] < at - SPARK_MS) {
    spark.t.shift();
    spark.y.shift();
  }
  svg.dataset.spark = JSON.stringify(spark);
  drawSpark(element);
}

async function fetched() {
  const response = await fetch(location.href, { headers: { "HX-Request": "true" } });
  if (!response.ok || response.redirected) throw new Error(`wearers: ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** @param {Document} fresh */
function replace(fresh) {
  const at = cursor()?.dataset.user;
  list.replaceChildren(...fresh.body.childNodes);
  if (at) row(at)?.classList.add("cursor");
  bar.hidden = true;
  settle();
}

/** Each row as it now is, where it stands; a row that came, went or moved waits until asked for. */
async function refresh() {
  const fresh = await fetched();
  const [now, then] = [rows(), rows(fresh)];
  if (!now.length) {
    replace(fresh);
    return;
  }
  const order = then.map((each) => each.dataset.user);
  const moved = order.filter((user, place) => now[place]?.dataset.user !== user).length;
  for (const other of then) {
    const old = row(other.dataset.user ?? "");
    if (!old) continue;
    other.classList.toggle("cursor", old.classList.contains("cursor"));
    old.replaceWith(other);
  }
  bar.hidden = !moved;
  bar.textContent = `${moved} changed order, sort again`;
  settle();
}

function settle() {
  for (const each of rows()) drawSpark(each);
  refreshAges();
  inStep();
}

const cursor = () => rows().find((each) => each.classList.contains("cursor"));

/** @param {number} step */
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((each) => each.classList.contains("cursor"));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  for (const each of all) each.classList.toggle("cursor", each === next);
  next.scrollIntoView({ block: "nearest" });
}

bar.addEventListener("click", async () => replace(await fetched()));
list.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("a") || getSelection()?.toString()) return;
  const href = /** @type {HTMLElement | null} */ (target.closest(".wearer-row"))?.dataset.href;
  if (href) location.assign(href);
});
live.addEventListener("vital", (event) => show(/** @type {CustomEvent} */ (event).detail));
live.addEventListener("alert", soon(() => void refresh()));
live.onResync(refresh);
key("j", "next wearer", () => move(1));
key("k", "previous wearer", () => move(-1));
key("Enter", "open", () => {
  const href = cursor()?.dataset.href;
  if (href) location.assign(href);
});
key("/", "search", () => /** @type {HTMLElement | null} */ (document.querySelector("#wearers-q"))?.focus());
settle();
