// The alerts list: cursor, keys, and news that waits in a bar instead of moving the row under the pointer.

import { refreshAges } from "./clock.js";
import { patchRows } from "./desk_list.js";
import { freshCopy, inTurn } from "./fresh.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { soon } from "./parts.js";
import { Preview } from "./preview.js";
import { cursorOf, move, point as give } from "./rows.js";
import { Selection } from "./selection.js";
import { inStep, rank, shape } from "./severity.js";

const CURSOR = "telara.desk.cursor";
const list = /** @type {HTMLElement} */ (document.querySelector("#desk-list"));
const bar = /** @type {HTMLButtonElement} */ (document.querySelector("#new-bar"));
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".desk-row")]);
/** Alerts that came and are not on the page: severity, and whether technical. @type {Map<string, [string, boolean]>} */
const waiting = new Map();
/** Alerts that were decided about here: these may leave the list, and come back by an undo. @type {Set<string>} */
const decided = new Set();

const selection = new Selection(rows);
const preview = new Preview(/** @type {HTMLElement} */ (document.querySelector("#preview")));

const cursor = () => cursorOf(rows());

/** @param {HTMLElement} [at] the row that is the cursor's from now on; none: no row is */
function point(at) {
  give(rows(), at);
  preview.open(at?.dataset.href);
}

/** Presses what the bar offers for all that is selected, else what the cursor's row does. @param {string} name */
function press(name) {
  const offered = selection.size ? document.querySelector(`#bulk [data-bulk="${name}"]`) : cursor()?.querySelector(`[data-triage="${name}"]`);
  const button = /** @type {HTMLElement | null | undefined} */ (offered);
  if (!button) return;
  button.click();
  if (button.tagName === "SUMMARY") {
    const first = button.parentElement?.querySelector(".menu-list button:enabled");
    queueMicrotask(() => /** @type {HTMLElement | null} */ (first)?.focus());
  }
}

/** A number picks from the menu that is open. @param {number} number */
function pick(number) {
  const buttons = document.querySelectorAll(".desk-main details.menu[open] .menu-list button");
  /** @type {HTMLElement | undefined} */ (buttons[number - 1])?.click();
}

/** The facets with their counts; what was unfolded stays so. @param {Document} fresh */
function takeFacets(fresh) {
  const facets = document.querySelector("#desk-facets");
  const unfolded = [...(facets?.querySelectorAll("details[open]") ?? [])].map((each) => each.id);
  facets?.replaceChildren(...(fresh.querySelector("#desk-facets")?.childNodes ?? []));
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
}

/** Reads the list again: all of it takes its place where nobody is about to press, else only what stands there already.
 *  Wishes: own, after a decision of ours; all, whoever is about to press. */
const renew = inTurn(async ({ own = false, all = false }) => {
  const fresh = await freshCopy();
  takeFacets(fresh);
  if (all || isIdle()) replaceAll(fresh);
  else patch(fresh, own);
});

/** @param {Document} fresh */
function replaceAll(fresh) {
  const [at, place] = pointed();
  list.replaceChildren(...(fresh.querySelector("#desk-list")?.childNodes ?? []));
  // @ts-ignore htmx is a global
  htmx.process(list);
  waiting.clear();
  showBar();
  selection.narrow();
  settle();
  follow(at, place);
}

/** Each row as it now is, where it stands; what came waits in the bar. @param {Document} fresh @param {boolean} own */
function patch(fresh, own) {
  const [at, place] = pointed();
  const came = lacking(fresh);
  const matching = fresh.querySelector("#shown")?.getAttribute("data-matching") ?? "";
  list.querySelector(".classes")?.replaceChildren(...(fresh.querySelector("#desk-list .classes")?.cloneNode(true).childNodes ?? []));
  if (!patchRows(list, fresh, own ? decided : new Set(), came.length)) {
    replaceAll(fresh);
    return;
  }
  wait(came);
  if (!rows().length && !waiting.size) {
    replaceAll(fresh);
    follow(at, place);
    return;
  }
  say(matching);
  settle();
  if (own) follow(at, place);
  else preview.refresh();
}

/** How many are shown, and how many match of which none waits. @param {string} matching as a fresh copy says it */
function say(matching) {
  const shown = /** @type {HTMLElement} */ (list.querySelector("#shown"));
  const count = Number(matching.replaceAll(",", ""));
  shown.textContent = `${rows().length} shown`;
  shown.dataset.matching = Number.isNaN(count) ? matching : (count - waiting.size).toLocaleString("en");
}

/** The cursor's alert, and which row it is. @returns {[string | undefined, number]} */
function pointed() {
  const row = cursor();
  return [row?.dataset.alert, row ? rows().indexOf(row) : -1];
}

/** The cursor stays with its alert; what left the list leaves it to the row below. @param {string | undefined} at @param {number} place */
function follow(at, place) {
  const now = rows();
  const next = now.find((row) => row.dataset.alert === at) ?? (place < 0 ? undefined : now[Math.min(place, now.length - 1)]);
  next?.classList.add("cursor");
  if (next?.dataset.alert === at) preview.refresh();
  else preview.open(next?.dataset.href);
}

/** The rows of a fresh copy that came after this list was drawn, and call. @param {Document} fresh */
function lacking(fresh) {
  const drawn = Date.parse(/** @type {HTMLInputElement | null} */ (list.querySelector('[name="as_of"]'))?.value ?? "");
  const here = new Set(rows().map((row) => row.dataset.alert));
  const theirs = /** @type {HTMLElement[]} */ ([...fresh.querySelectorAll('.desk-row[data-state="firing new"]')]);
  return theirs.filter(({ dataset }) => !here.has(dataset.alert) && Date.parse(dataset.came ?? "") > drawn);
}

/** @param {HTMLElement[]} came */
function wait(came) {
  waiting.clear();
  for (const { dataset } of came) waiting.set(dataset.alert ?? "", [dataset.severity ?? "", dataset.class === "technical"]);
  showBar();
}

function settle() {
  remember();
  selection.show();
  refreshAges();
  inStep();
}

/** The alert page walks through the list it was opened from. */
function remember() {
  sessionStorage.setItem("telara.desk", JSON.stringify(rows().map((row) => row.dataset.href)));
}

function showBar() {
  const left = list.querySelectorAll(".desk-row.gone").length;
  bar.hidden = !waiting.size && !left;
  if (bar.hidden) return;
  const gone = left ? [`${left} left`] : [];
  if (!waiting.size) {
    bar.replaceChildren(`${gone}. Show`);
    return;
  }
  // a clinical one is worse than any technical one
  const [[severity, technical]] = [...waiting.values()].sort((a, b) => Number(a[1]) - Number(b[1]) || rank(a[0]) - rank(b[0]));
  const worst = `worst ${severity}${technical ? ", technical" : ""}`;
  bar.replaceChildren(shape(severity, { technical }), `${[`${waiting.size} new, ${worst}`, ...gone].join("; ")}. Show`);
}

/** Nobody reads, points or types here: what is new may take its place at once. */
const isIdle = () => !list.matches(":hover") && !list.contains(document.activeElement) && !cursor() && !selection.size && scrollY === 0;

/** What is new is asked of the server, which alone knows all that the list is narrowed by. @param {any} alert the contract's alert */
function arrived(alert) {
  const isNew = alert.episode === "firing" && alert.status === "new";
  if (!isNew && waiting.delete(alert.alert_id)) showBar();
  if (rows().some((row) => row.dataset.alert === alert.alert_id) || (isNew && mayBelong(alert))) renewSoon();
}

/** Views of what is over, and later pages, get nothing new. */
const parameters = new URLSearchParams(location.search);
const getsNews = !parameters.has("before") && ["", "open", "firing", "new"].includes(parameters.get("view") ?? parameters.get("episode") ?? "");
/** What the address narrows the list by, and the field of an alert that says it. */
const NARROWED = { class: "class", severity: "severity", wearer: "user_id", rule: "rule_id" };
const mayBelong = (/** @type {any} */ alert) =>
  getsNews && Object.entries(NARROWED).every(([name, field]) => [null, "", alert[field]].includes(parameters.get(name)));
const renewSoon = soon(() => void renew(), 1500);

const isBulk = (/** @type {Event} */ { target }) => document.querySelector("#bulk")?.contains(/** @type {Node} */ (target));

/** Which alerts a decision was about. @param {CustomEvent} event @returns {string[]} */
function meantBy(event) {
  if (isBulk(event)) return selection.ids;
  const form = /** @type {HTMLElement} */ (event.target).closest("form");
  const id = event.detail.alert_id ?? /** @type {HTMLInputElement | null | undefined} */ (form?.querySelector('[name="alert"]'))?.value;
  return id ? [id] : [];
}

list.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const row = /** @type {HTMLElement | null} */ (target.closest(".desk-row"));
  if (row && !target.closest("a, button, input, label, summary")) point(row);
});
bar.addEventListener("click", () => void renew({ all: true }));
document.body.addEventListener("telara:triaged", (event) => {
  for (const id of meantBy(/** @type {CustomEvent} */ (event))) decided.add(id);
  if (isBulk(event)) selection.clear();
  void renew({ own: true });
});
live.addEventListener("alert", (event) => arrived(/** @type {CustomEvent} */ (event).detail));
addEventListener("telara:over", renewSoon);
live.addEventListener("planned", renewSoon);
live.onResync(renew);

/** The cursor is where it was for who comes back from an alert, at the row below where that one left the list. */
function comeBack() {
  const [way] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  const [address, at, place] = JSON.parse(sessionStorage.getItem(CURSOR) ?? "[]");
  if (way.type === "navigate" || address !== location.href) return;
  const now = rows();
  const row = now.find(({ dataset }) => dataset.alert === at) ?? now[Math.min(place, now.length - 1)];
  if (!row) return;
  point(row);
  row.scrollIntoView({ block: "nearest" });
}

addEventListener("pagehide", () => sessionStorage.setItem(CURSOR, JSON.stringify([location.href, ...pointed()])));
remember();
comeBack();
key("j", "next alert", () => move(rows(), 1, point));
key("k", "previous alert", () => move(rows(), -1, point));
key("x", "select", () => selection.toggle(cursor()));
key("Shift+x", "select up to here", () => selection.extend(cursor()));
key("Escape", "", () => (selection.size ? selection.clear() : point()));
key("i", "assign", () => {
  if (!selection.size) selection.toggle(cursor());
  press("assign");
});
key("r", "read the list again", () => void renew({ all: true }));
key("Enter", "open", () => {
  const href = cursor()?.dataset.href;
  if (href) location.assign(href);
});
key("a", "acknowledge", () => press("acknowledge"));
key("s", "snooze, then 1 to 5", () => press("snooze"));
key("c", "close, then 1 to 5", () => press("close"));
key("/", "search", () => {
  /** @type {HTMLDetailsElement} */ (document.querySelector("#facets")).open = true;
  /** @type {HTMLElement | null} */ (document.querySelector("#desk-q"))?.focus();
});
for (let number = 1; number <= 9; number += 1) key(`${number}`, "", () => pick(number));
