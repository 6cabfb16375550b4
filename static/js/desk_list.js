// The list of alerts takes over a fresh copy of itself without moving what stands in it: rows change in their places, and
// only what somebody decided here leaves it, or comes back to it. What left it by others' doing stays, and says so.

const rowsIn = (/** @type {ParentNode} */ root) => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".desk-row")]);
const idOf = (/** @type {HTMLElement} */ row) => row.dataset.alert ?? "";
const isBusy = (/** @type {HTMLElement} */ row) => row.contains(document.activeElement) || row.querySelector("details[open], .htmx-request") !== null;

/**
 * Takes over what the rows of `list` say in `fresh`; false, and nothing is changed, where that takes more than rows.
 * @param {HTMLElement} list @param {ParentNode} fresh @param {Set<string>} decided ids of those whose place may change
 * @param {number} pushed how many rows at the end may have gone to the next page
 */
export function patchRows(list, fresh, decided, pushed) {
  const here = new Map(rowsIn(list).map((row) => [idOf(row), row]));
  const groups = [...fresh.querySelectorAll("tbody")].map(rowsIn);
  const isBack = (/** @type {HTMLElement} */ row) => decided.has(idOf(row)) && !here.has(idOf(row));
  if (groups.some((group) => group.some(isBack) && !group.some((row) => here.has(idOf(row))))) return false;
  const known = new Set(groups.flat().map(idOf));
  const all = rowsIn(list);
  const left = all.filter((row, place) => !known.has(idOf(row)) && (decided.has(idOf(row)) || place < all.length - pushed));
  for (const group of groups) {
    for (const [place, row] of group.entries()) {
      const old = here.get(idOf(row));
      if (old) swap(old, row, decided);
      else if (isBack(row)) putBack(row, group, place, here);
      else continue;
      here.set(idOf(row), old?.isConnected ? old : row);
    }
  }
  for (const row of left) {
    if (decided.has(idOf(row))) row.remove();
    else retire(row);
  }
  count(list);
  return true;
}

/** @param {HTMLElement} old @param {HTMLElement} row @param {Set<string>} decided */
function swap(old, row, decided) {
  if (isBusy(old) && !decided.has(idOf(row))) return;
  row.classList.toggle("cursor", old.classList.contains("cursor"));
  old.replaceWith(row);
  // @ts-ignore htmx is a global
  htmx.process(row);
}

/** It is read where it stands, and no longer decided about. @param {HTMLElement} row */
function retire(row) {
  if (row.classList.contains("gone")) return;
  row.classList.add("gone");
  row.classList.remove("calls");
  row.querySelector(".tick")?.replaceChildren();
  row.querySelector(".actions")?.replaceChildren();
  row.querySelector(".triage")?.replaceChildren("left this list");
}

/** Below the nearest one above it that stands in the list, else above the nearest below. @param {HTMLElement} row
 *  @param {HTMLElement[]} group @param {number} place @param {Map<string, HTMLElement>} here */
function putBack(row, group, place, here) {
  const standing = (/** @type {HTMLElement[]} */ rows) => rows.map((each) => here.get(idOf(each))).find((each) => each !== undefined);
  const above = standing(group.slice(0, place).reverse());
  if (above) above.after(row);
  else standing(group.slice(place + 1))?.before(row);
  // @ts-ignore htmx is a global
  htmx.process(row);
}

/** Writes how many each group has; one without any goes. @param {HTMLElement} list */
function count(list) {
  for (const group of list.querySelectorAll("tbody:has(.group .caption)")) {
    const rows = rowsIn(group).length;
    const caption = /** @type {HTMLElement} */ (group.querySelector(".group .caption"));
    if (rows) caption.textContent = `${rows}`;
    else group.remove();
  }
}
