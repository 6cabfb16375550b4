// The names of the lines of a rolling chart, at their right ends, moved apart; each leads to its wearer.

const LEAST_PX = 24; // what a finger meets; six of them are as high as the chart

/** @typedef {{line: {id: string, short: string, name: string}, paint: string, firing: boolean, text: string, at: number}} End
 *  where a line ends: `at` is its height in the plot, in pixels */

/** Whose label an element is in; empty where in none. @param {Element | null} element */
export const lineOf = (element) => /** @type {HTMLElement | null | undefined} */ (element?.closest(".chart-label"))?.dataset.line ?? "";

export class LineLabels {
  /** @param {HTMLElement} holder */
  constructor(holder) {
    this.holder = holder;
    /** Where each stands. @type {Map<string, number>} */
    this.tops = new Map();
    /** @type {Map<string, HTMLAnchorElement>} */
    this._labels = new Map();
  }

  /** @param {End[]} ends @param {number} top where the plot begins in its holder */
  show(ends, top) {
    const middle = LEAST_PX / 2;
    const tops = movedApart(ends.map((end) => end.at + top), LEAST_PX, middle, this.holder.clientHeight - middle);
    this.tops = new Map(ends.map((end, i) => [end.line.id, tops[i]]));
    for (const end of ends) this._write(end);
    for (const [id, label] of this._labels) {
      if (this.tops.has(id)) continue;
      label.remove();
      this._labels.delete(id);
    }
    this._none(!ends.length);
  }

  /** While one line is picked the others' names stand back. @param {string} picked */
  stand(picked) {
    for (const [id, label] of this._labels) label.classList.toggle("aside", Boolean(picked) && id !== picked);
  }

  /** Whose label has the focus. */
  focused() {
    return this.holder.contains(document.activeElement) ? lineOf(document.activeElement) : "";
  }

  /** A label keeps its element, so that it keeps the focus. @param {End} end */
  _write({ line, paint, firing, text }) {
    const label = this._labels.get(line.id) ?? this._made(line);
    label.classList.toggle("firing", firing);
    label.style.transform = `translateY(calc(${this.tops.get(line.id)}px - 50%))`;
    label.style.color = paint;
    const value = /** @type {HTMLElement} */ (label.querySelector("b"));
    if (value.textContent !== text) value.textContent = text;
  }

  /** @param {End["line"]} line */
  _made(line) {
    const label = document.createElement("a");
    label.className = "chart-label";
    label.href = `/wearers/${encodeURIComponent(line.id)}/`;
    label.title = line.name;
    label.dataset.line = line.id;
    label.append(`${line.short} `, document.createElement("b"));
    this._labels.set(line.id, label);
    this.holder.append(label);
    return label;
  }

  /** Says so where nobody was measured. @param {boolean} empty */
  _none(empty) {
    const said = this.holder.querySelector(".chart-none");
    if (!empty) said?.remove();
    if (!empty || said) return;
    const none = document.createElement("p");
    none.className = "chart-none caption";
    none.textContent = "not measured in the last 5 minutes";
    this.holder.append(none);
  }
}

/**
 * Moves positions apart so that none is nearer than `least` to another, within [low, high], keeping their order and each as
 * near to where it wants to be as the others let it: those that press on each other gather around their middle.
 * @param {number[]} wanted @param {number} least @param {number} low @param {number} high
 */
export function movedApart(wanted, least, low, high) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  /** @type {{sum: number, size: number}[]} */
  const groups = [];
  order.forEach((i, place) => {
    let group = { sum: wanted[i] - place * least, size: 1 };
    for (let above = groups.at(-1); above && above.sum / above.size > group.sum / group.size; above = groups.at(-1)) {
      group = { sum: above.sum + group.sum, size: above.size + group.size };
      groups.pop();
    }
    groups.push(group);
  });
  const last = Math.max(low, high - (wanted.length - 1) * least);
  const firsts = groups.flatMap(({ sum, size }) => Array(size).fill(Math.min(last, Math.max(low, sum / size))));
  /** @type {number[]} */
  const placed = [];
  order.forEach((i, place) => {
    placed[i] = firsts[place] + place * least;
  });
  return placed;
}
