// The list of alerts takes over a fresh copy of itself without moving what stands in it: rows change in their places, and
// only what somebody decided here leaves it, or comes back to it.

const rowsIn = (/** @type {ParentNode} */ root) => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".desk-row")]);
const idOf = (/** @type {HTMLElement} */ row) => row.dataset.alert ?? "";
const isBusy = (/** @type {HTMLElement} */ row) => row.contains(document.activeElement) || row.querySelector("details[open], .htmx-request") !== null;

/**
 * Takes over what the rows of `list` say in `fresh`; false, and nothing is changed, where that takes more than rows.
 * @param {HTMLElement} list @param {ParentNode} fresh @param {Set<string>} decided ids of those whose place may change
 */
export function patchRows(list, fresh, decided) {
  const here = new Map(rowsIn(list).map((row) => [idOf(row), row]));
  const groups = [...fresh.querySelectorAll("tbody")].map(rowsIn);
  const isBack = (/** @type {HTMLElement} */ row) => decided.has(idOf(row)) && !here.has(idOf(row));
  if (groups.some((group) => group.some(isBack) && !group.some((row) => here.has(idOf(row))))) return false;
  const left = rowsIn(list).filter((row) => decided.has(idOf(row)) && !groups.flat().some((other) => idOf(other) === idOf(row)));
  for (const group of groups) {
    for (const [place, row] of group.entries()) {
      const old = here.get(idOf(row));
      if (old) swap(old, row, decided);
      else if (isBack(row)) putBack(row, group, place, here);
      else continue;
      here.set(idOf(row), old?.isConnected ? old : row);
    }
  }
  for (const row of left) row.remove();
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
