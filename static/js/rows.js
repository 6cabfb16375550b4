// Rows with a cursor: j and k move it and say where it is, Enter opens its row, and so does a click into a row.

import { key, sayRow } from "./keyboard.js";

/** The row that has the cursor. @param {HTMLElement[]} rows */
export const cursorOf = (rows) => rows.find((row) => row.classList.contains("cursor"));

/** Gives the cursor to one of them. @param {HTMLElement[]} rows @param {HTMLElement | undefined} chosen */
export function point(rows, chosen) {
  for (const row of rows) row.classList.toggle("cursor", row === chosen);
}

/** @param {HTMLElement[]} rows @param {number} step @param {(row: HTMLElement) => void} [put] gives the cursor to a row */
export function move(rows, step, put = (row) => point(rows, row)) {
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("cursor"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  put(next);
  next.scrollIntoView({ block: "nearest" });
  sayRow(next);
}

/** @param {{rows: () => HTMLElement[], noun: string, opens?: string, finds?: string, search: string}} list `search`: a selector */
export function startRows({ rows, noun, opens = "open", finds = "search", search }) {
  key("j", `next ${noun}`, () => move(rows(), 1));
  key("k", `previous ${noun}`, () => move(rows(), -1));
  key("Enter", opens, () => follow(cursorOf(rows())));
  key("/", finds, () => /** @type {HTMLElement | null} */ (document.querySelector(search))?.focus());
}

/** A click into a row opens it, but for one on a link or that marks text. @param {HTMLElement} list @param {string} selector of a row */
export function openOnClick(list, selector) {
  list.addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest("a") || getSelection()?.toString()) return;
    follow(/** @type {HTMLElement | null} */ (target.closest(selector)));
  });
}

/** @param {HTMLElement | null | undefined} row */
function follow(row) {
  if (row?.dataset.href) location.assign(row.dataset.href);
}
