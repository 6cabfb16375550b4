// The text of a rule in colours, under the field it is typed into: keys, words of the condition, comments, and a wavy
// line under what is wrong. The field stays a plain one: its own letters are transparent.

/** @typedef {{line: number, column: number}} Place counted from 1 */

const KEY = /^(\s*(?:- )?)([A-Za-z_]+)(?=:(?:\s|$))/;
const INNER_KEY = /[{,]\s*([a-z_]+)(?=:\s)/g;
const WORDS = /\b(AND|OR|NOT|IN|BETWEEN|IS|NULL|ABS)\b/g;
const COMMENT = /(^|\s)#.*$/;
const AT = /[\w.-]+/y;

/** A class for each letter of a line: "" for a plain one. @param {string} line */
function classesOf(line) {
  const found = /** @type {string[]} */ (new Array(line.length).fill(""));
  const mark = (/** @type {number} */ from, /** @type {number} */ length, /** @type {string} */ name) => found.fill(name, from, from + length);
  const key = KEY.exec(line);
  if (key) mark(key[1].length, key[2].length, "key");
  if (key && /^(when|clear)$/.test(key[2])) for (const word of line.matchAll(WORDS)) mark(word.index, word[0].length, "word");
  if (key && /[{]/.test(line)) for (const inner of line.matchAll(INNER_KEY)) mark(inner.index + inner[0].length - inner[1].length, inner[1].length, "key");
  const comment = COMMENT.exec(line);
  if (comment && !/["'][^"']*#/.test(line)) mark(comment.index, line.length - comment.index, "comment");
  return found;
}

/** The word at a column, or the letter where there is none. @param {string} line @param {number} column */
function wordAt(line, column) {
  AT.lastIndex = column - 1;
  return Math.max(1, AT.exec(line)?.[0].length ?? 1);
}

/** @param {string} line @param {number} number @param {Place[]} problems @param {Place[]} warnings */
function lit(line, number, problems, warnings) {
  const classes = classesOf(line.padEnd(1));
  for (const [places, name] of /** @type {[Place[], string][]} */ ([[warnings, "warned"], [problems, "wrong"]])) {
    for (const { column } of places.filter((each) => each.line === number)) {
      for (let i = 0; i < wordAt(line, column); i += 1) if (column - 1 + i < classes.length) classes[column - 1 + i] += ` ${name}`;
    }
  }
  const fragment = document.createDocumentFragment();
  for (let from = 0; from < line.length; ) {
    let to = from + 1;
    while (to < line.length && classes[to] === classes[from]) to += 1;
    const piece = document.createElement("span");
    piece.className = classes[from].trim();
    piece.textContent = line.slice(from, to);
    fragment.append(piece.className ? piece : line.slice(from, to));
    from = to;
  }
  fragment.append("\n");
  return fragment;
}

/** @param {HTMLTextAreaElement} source @param {HTMLElement} shown */
export function startHighlight(source, shown) {
  /** @type {{problems: Place[], warnings: Place[]}} */
  let known = { problems: [], warnings: [] };
  function draw() {
    shown.replaceChildren(...source.value.split("\n").map((line, i) => lit(line, i + 1, known.problems, known.warnings)));
    shown.scrollLeft = source.scrollLeft;
  }
  source.addEventListener("input", () => {
    known = { problems: [], warnings: [] }; // until it is looked at anew
    draw();
  });
  source.addEventListener("scroll", () => (shown.scrollLeft = source.scrollLeft));
  source.parentElement?.classList.add("is-lit");
  draw();
  return (/** @type {Place[]} */ problems, /** @type {Place[]} */ warnings) => {
    known = { problems, warnings };
    draw();
  };
}
