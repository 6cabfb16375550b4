// What is ticked in the alerts list, and the bar that says so. It survives a fresh copy of the list.

import { rank } from "./severity.js";

const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const tickOf = (/** @type {HTMLElement | undefined} */ row) =>
  /** @type {HTMLInputElement | null | undefined} */ (row?.querySelector('input[name="alert"]'));

export class Selection {
  /** @param {() => HTMLElement[]} rows of the list, in order */
  constructor(rows) {
    this._rows = rows;
    /** Ids and severities. @type {Map<string, string>} */
    this._chosen = new Map();
    /** The row that a range begins at. */
    this._from = "";
    this._bar = /** @type {HTMLFormElement} */ (find("#bulk"));
    document.addEventListener("change", (event) => this._ticked(/** @type {HTMLElement} */ (event.target)));
    find("#bulk-none").addEventListener("click", () => this.clear());
    find("#bulk-all").addEventListener("click", () => this._all(!this._isAll));
    // a click that also holds Shift ticks all between
    document.addEventListener("click", (event) => {
      const row = event.shiftKey && event.target instanceof HTMLInputElement && event.target.name === "alert" && event.target.closest(".desk-row");
      if (row) this.extend(/** @type {HTMLElement} */ (row));
    });
  }

  get size() {
    return this._chosen.size;
  }

  /** Of those that are ticked. */
  get ids() {
    return [...this._chosen.keys()];
  }

  /** @param {HTMLElement | undefined} row */
  toggle(row) {
    const tick = tickOf(row);
    if (!tick) return;
    tick.checked = !tick.checked;
    this._ticked(tick);
  }

  /** Selects all from the last one that was ticked to this one. @param {HTMLElement | undefined} row */
  extend(row) {
    const rows = this._rows();
    const to = rows.findIndex((each) => each === row);
    const from = rows.findIndex((each) => each.dataset.alert === this._from);
    if (to < 0) return;
    const [first, last] = from < 0 ? [to, to] : [Math.min(from, to), Math.max(from, to)];
    for (const each of rows.slice(first, last + 1)) if (tickOf(each)) this._choose(each);
    this.show();
  }

  clear() {
    this._chosen.clear();
    this._from = "";
    this._all(false);
  }

  /** Only what is ticked, where it was all that the list holds. */
  narrow() {
    this._all(false);
  }

  /** Ticks the rows as they are chosen, forgets those that have none any more, and writes the bar. */
  show() {
    const here = new Set(this._rows().map((row) => row.dataset.alert));
    for (const id of this._chosen.keys()) if (!here.has(id)) this._chosen.delete(id);
    for (const row of this._rows()) {
      const tick = tickOf(row);
      const isChosen = this._chosen.has(row.dataset.alert ?? "");
      if (tick) tick.checked = isChosen;
      row.classList.toggle("selected", isChosen);
    }
    this._bar.hidden = !this.size;
    const page = this._rows().filter((row) => tickOf(row)).length;
    const matching = find("#shown").dataset.matching ?? "";
    find("#bulk-count").textContent = this._isAll ? `All ${matching} selected` : `${this.size} selected`;
    find("#bulk-what").textContent = this._isAll ? "" : this._severities();
    const all = find("#bulk-all");
    all.hidden = !this._isAll && (this.size < page || matching === String(page));
    all.textContent = this._isAll ? "Only those of this page" : `Select all ${matching} of this list`;
    for (const choice of /** @type {NodeListOf<HTMLButtonElement>} */ (this._bar.querySelectorAll("[data-never]"))) {
      const never = (choice.dataset.never ?? "").split(" ");
      choice.disabled = !this._isAll && [...this._chosen.values()].some((severity) => never.includes(severity));
      choice.title = choice.disabled ? "Too long for one of these" : "";
    }
  }

  get _isAll() {
    return /** @type {HTMLInputElement} */ (this._bar.elements.namedItem("all")).value !== "";
  }

  /** @param {boolean} isAll all that the list holds, beyond this page */
  _all(isAll) {
    /** @type {HTMLInputElement} */ (this._bar.elements.namedItem("all")).value = isAll ? "1" : "";
    this.show();
  }

  /** `HIGH 1, LOW 2` */
  _severities() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const severity of this._chosen.values()) counts.set(severity, (counts.get(severity) ?? 0) + 1);
    return [...counts].sort((a, b) => rank(a[0]) - rank(b[0])).map(([severity, count]) => `${severity} ${count}`).join(", ");
  }

  /** @param {HTMLElement} target */
  _ticked(target) {
    if (!(target instanceof HTMLInputElement) || target.name !== "alert") return;
    const row = /** @type {HTMLElement} */ (target.closest(".desk-row"));
    if (target.checked) this._choose(row);
    else this._chosen.delete(row.dataset.alert ?? "");
    this._all(false);
  }

  /** @param {HTMLElement} row */
  _choose(row) {
    this._from = row.dataset.alert ?? "";
    this._chosen.set(this._from, row.dataset.severity ?? "");
  }
}
