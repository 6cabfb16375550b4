// A strip as a table, by the clock of whoever reads it.

import { local, utc, zoneName } from "./clock.js";

/** Newest first. @param {any} strip what the page's data holds of it @param {HTMLElement} holder */
export function showTable(strip, holder) {
  const element = document.createElement("table");
  element.className = "table";
  const times = strip.lines[0].at;
  const heads = strip.kind === "stages" ? ["Stage"] : strip.metrics.length > 1 ? ["Systolic", "Diastolic"] : ["Average", "Lowest", "Highest"];
  const inDoubt = strip.lines[0].doubts.some(Boolean);
  line(element.createTHead(), [`Time (${zoneName})`, ...heads, ...(inDoubt ? ["In doubt"] : [])], "th");
  const body = element.createTBody();
  for (let place = times.length - 1; place >= 0; place -= 1) {
    const first = strip.lines[0];
    const cells = strip.kind === "stages" ? [strip.stages[place]]
      : strip.metrics.length > 1 ? strip.lines.map((/** @type {any} */ each) => each.avg[place].toFixed(strip.decimals))
        : [first.avg, first.min, first.max].map((column) => column[place].toFixed(strip.decimals));
    if (inDoubt) cells.push(first.doubts[place]);
    const row = line(body, [local(times[place] * 1000).toISOString().slice(0, 19).replace("T", " "), ...cells], "td");
    row.cells[0].title = utc(times[place] * 1000);
  }
  holder.replaceChildren(element);
}

/** @param {HTMLTableSectionElement} part @param {string[]} cells @param {"th" | "td"} tag */
function line(part, cells, tag) {
  const row = part.insertRow();
  cells.forEach((text, place) => {
    const cell = document.createElement(tag);
    cell.textContent = text;
    if (place) cell.className = "number";
    row.append(cell);
  });
  return row;
}
