// The threat log: cards patched in place while only their figures change, the cursor, the keys, and what waits.

import { key, sayRow } from "./keyboard.js";
import { sentenceOf } from "./said.js";
import { rank, shape } from "./severity.js";
import { takeInPlace } from "./standing.js";

/** @param {{refresh: () => Promise<void>}} page */
export function startLog({ refresh }) {
  const log = () => /** @type {HTMLElement} */ (document.querySelector("#log"));
  const cards = () => /** @type {HTMLElement[]} */ ([...log().querySelectorAll(".card")]);
  let cursor = "";
  /** @type {Document | null} */
  let waiting = null;

  document.body.addEventListener("telara:triaged", () => refresh());
  document.body.addEventListener("telara:refused", () => refresh());
  key("j", "next alert", () => move(1));
  key("k", "previous alert", () => move(-1));
  key("Enter", "open the alert", () => current()?.querySelector("a")?.click());
  key("a", "acknowledge", () => press("acknowledge"));
  key("s", "snooze, then 1 to 4", () => press("snooze"));
  for (const digit of ["1", "2", "3", "4"]) key(digit, "", () => choose(Number(digit)));
  key("Escape", "", () => {
    cursor = "";
    showCursor();
  });

  const current = () => cards().find((card) => card.dataset.alert === cursor);

  /** @param {number} step */
  function move(step) {
    const all = cards();
    if (!all.length) return;
    const at = all.findIndex((card) => card.dataset.alert === cursor);
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
    cursor = next.dataset.alert ?? "";
    showCursor();
    next.scrollIntoView({ block: "nearest" });
    sayRow(next);
  }

  function showCursor() {
    for (const card of cards()) card.classList.toggle("cursor", card.dataset.alert === cursor);
  }

  /** What the card with the cursor offers; without one nothing is decided, and the first card gets it. @param {string} what */
  function press(what) {
    const target = current();
    if (target) /** @type {HTMLElement | null} */ (target.querySelector(`[data-do="${what}"]`))?.click();
    else move(1);
  }

  /** @param {number} n */
  function choose(n) {
    const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (log().querySelectorAll("details[open] .menu-list button"));
    buttons[n - 1]?.click();
  }

  /** Whether somebody is at work in the list, so that rows must not move under them. */
  function busy() {
    const rows = log().querySelector(".log-rows");
    const pointed = log().querySelector(":is(.log-rows, .log-technical):hover");
    return Boolean(log().querySelector("details[open]") || pointed || (rows && rows.scrollTop > 0));
  }

  /** @param {Document} parts */
  function arrived(parts) {
    const shown = new Set(cards().map((card) => card.dataset.alert));
    const fresh = /** @type {HTMLElement[]} */ ([...parts.querySelectorAll("#log .card")]);
    return fresh.filter((card) => !shown.has(card.dataset.alert));
  }

  /** Everything as it now is, where it stands; gives how many cards left. @param {Document} parts */
  function stand(parts) {
    const other = /** @type {HTMLElement} */ (parts.querySelector("#log"));
    const left = takeInPlace(cards(), [.../** @type {NodeListOf<HTMLElement>} */ (other.querySelectorAll(".card"))]);
    for (const tab of log().querySelectorAll(".choice a")) {
      const count = other.querySelector(`.choice a[data-tab="${/** @type {HTMLElement} */ (tab).dataset.tab}"]`);
      if (count) tab.textContent = count.textContent;
    }
    const [old, technical] = [log(), other].map((each) => each.querySelector(".log-technical"));
    if (old?.matches(":hover, :focus-within, :has(details[open])")) {
      const [rows, fresh] = [old, other].map((each) => /** @type {HTMLElement[]} */ ([...each.querySelectorAll(".technical-row")]));
      takeInPlace(rows, fresh);
    } else {
      old?.remove();
      if (technical) log().querySelector(".log-rows")?.after(document.importNode(technical, true));
    }
    return left;
  }

  /** @param {HTMLElement[]} cards_ that came @param {number} left how many went */
  function newBar(cards_, left) {
    log().querySelector(".new-bar")?.remove();
    if (!cards_.length && !left) return;
    const worst = cards_.map((card) => card.dataset.severity ?? "").sort((a, b) => rank(a) - rank(b))[0];
    const bar = document.createElement("button");
    bar.type = "button";
    bar.className = "new-bar";
    if (worst) bar.append(shape(worst));
    bar.append(` ${[worst && `${cards_.length} new, worst ${worst}`, left && `${left} left`].filter(Boolean).join(", ")}. Show`);
    bar.addEventListener("click", () => {
      if (waiting) replace(waiting);
    });
    log().querySelector(".panel-head")?.after(bar);
  }

  /** @param {Document} parts */
  function replace(parts) {
    waiting = null;
    const fresh = parts.querySelector("#log");
    if (!fresh) return;
    const before = new Set(cards().map((card) => card.dataset.alert));
    const sameTab = log().dataset.tab === /** @type {HTMLElement} */ (fresh).dataset.tab;
    log().replaceWith(document.adoptNode(fresh));
    if (sameTab) for (const card of cards()) card.classList.toggle("arrived", !before.has(card.dataset.alert));
    showCursor();
    // @ts-ignore htmx is a global
    htmx.process(log());
  }

  return {
    /**
     * Takes over the log of a newer snapshot; while somebody is at work in the list only what stands there, and what
     * came, went or moved waits behind a bar.
     * @param {Document} parts @param {{own: boolean}} how
     */
    take(parts, { own }) {
      const fresh = arrived(parts);
      if (log().querySelector(".htmx-request")) {
        waiting = parts; // the answer must find its form; it brings a refresh of its own
        return;
      }
      if (!own && busy()) {
        waiting = parts;
        newBar(fresh, stand(parts));
        return;
      }
      replace(parts);
    },

    /**
     * Writes new figures into a card; false where the alert has become something else, or is not shown.
     * @param {any} alert the contract's alert
     */
    patch(alert) {
      const card = cards().find((each) => each.dataset.alert === alert.alert_id);
      if (!card || card.dataset.state !== `${alert.episode} ${alert.status}` || card.dataset.severity !== alert.severity) return false;
      if (alert.revision < Number(card.dataset.revision)) return true;
      card.dataset.revision = String(alert.revision);
      const sentence = card.querySelector(".sentence");
      const said = sentenceOf(alert);
      if (sentence && said !== null) sentence.textContent = said;
      const count = card.querySelector("[data-count]");
      if (count) count.textContent = String(alert.event_count);
      return said !== null || !sentence; // else the sentence in other units is in the next snapshot
    },
  };
}
