// A list that may not move: each row becomes what it now is where it stands, and one that left the list says so.

/** What the socket writes into a row, and what follows the clock. */
const FIGURES = ".sentence, [data-count], [data-age], [data-until]";
const WHY = "It is in this list no more.";

/**
 * Takes over what newer `others` say of the same alerts; gives how many of `rows` are no longer among them.
 * @param {HTMLElement[]} rows @param {HTMLElement[]} others
 */
export function takeInPlace(rows, others) {
  const now = new Map(others.map((other) => [other.dataset.alert, other]));
  for (const row of rows) {
    const other = now.get(row.dataset.alert);
    if (!other) leave(row);
    else if (!row.matches(":active") && !isOlder(other, row)) become(row, other);
  }
  return rows.filter((row) => !now.has(row.dataset.alert)).length;
}

/** @param {HTMLElement} other @param {HTMLElement} row */
const isOlder = (other, row) => Number(other.dataset.revision) < Number(row.dataset.revision);

/** @param {HTMLElement} row @param {HTMLElement} other */
function become(row, other) {
  if (saidBy(row) === saidBy(other)) {
    const [figures, newer] = [row, other].map((each) => [...each.querySelectorAll(".sentence, [data-count]")]);
    figures.forEach((figure, place) => (figure.textContent = newer[place].textContent));
    return;
  }
  const fresh = document.importNode(other, true);
  fresh.classList.toggle("cursor", row.classList.contains("cursor"));
  fresh.style.minHeight = `${row.offsetHeight}px`; // or what stands below comes under the pointer
  const menu = fresh.querySelector("details");
  if (menu) menu.open = row.querySelector("details[open]") !== null;
  row.replaceWith(fresh);
}

/** All but its figures. @param {HTMLElement} row */
function saidBy(row) {
  const copy = /** @type {HTMLElement} */ (row.cloneNode(true));
  for (const figure of copy.querySelectorAll(FIGURES)) figure.textContent = "";
  const { state, severity, quiet } = copy.dataset;
  const words = (copy.textContent ?? "").replace(/\s+/g, " ");
  return [state, severity, quiet, row.classList.contains("gone"), row.classList.contains("loud"), words].join("|");
}

/** @param {HTMLElement} row */
function leave(row) {
  if (row.classList.contains("gone")) return;
  row.classList.add("gone");
  row.classList.remove("loud");
  for (const mark of row.querySelectorAll(".mark")) {
    mark.classList.remove("firing", "blink");
    mark.classList.add("quiet");
  }
  for (const button of row.querySelectorAll("button")) {
    button.disabled = true;
    button.title = WHY;
    for (const name of ["data-needs-live", "data-waiting"]) button.removeAttribute(name); // it does not come back with the connection
  }
  for (const opener of row.querySelectorAll("summary")) {
    opener.removeAttribute("data-opens-live");
    opener.setAttribute("aria-disabled", "true");
    opener.title = WHY;
    /** @type {HTMLDetailsElement} */ (opener.parentElement).open = false;
  }
  const said = document.createElement("span");
  said.className = "caption";
  said.textContent = "left the list";
  row.querySelector(".age")?.before(said);
}
