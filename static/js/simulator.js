// The simulator's page: how fast each run sends now, by what its row said before.

const OVER_MS = 10_000;
/** What each run had sent, and when it said so. @type {Map<string, {at: number, sent: number}[]>} */
const said = new Map();

/** Writes the rates; a run that has said one thing only has none yet. */
function rates() {
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("tr[data-seen]"))) {
    const known = said.get(row.dataset.run ?? "") ?? [];
    const last = { at: Date.parse(row.dataset.seen ?? ""), sent: Number(row.dataset.sent) };
    if (known.at(-1)?.at !== last.at) known.push(last);
    while (known.length > 2 && last.at - known[0].at > OVER_MS) known.shift();
    said.set(row.dataset.run ?? "", known);
    const seconds = (last.at - known[0].at) / 1000;
    const cell = /** @type {HTMLElement} */ (row.querySelector(".rate"));
    cell.textContent = seconds > 0 ? ((last.sent - known[0].sent) / seconds).toFixed(1) : "";
  }
}

document.body.addEventListener("htmx:afterSettle", rates);
rates();
