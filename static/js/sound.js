// Tones for new alerts, off until somebody switches them on; a browser lets a page sound only after a click or a key.
// One sounds at a time: a worse one cuts off what sounds, any other is left out.

import { key } from "./keyboard.js";
import { rank } from "./severity.js";

/** Hertz, how often and how loud, by severity; what is not here is silent. The sensor has a voice of its own: one low,
 *  quiet tone, whatever the severity. @type {Record<string, [number, number, number]>} */
const TONES = { CRITICAL: [880, 3, 0.25], HIGH: [740, 2, 0.25], MEDIUM: [587, 1, 0.25], technical: [330, 1, 0.08], lost: [220, 2, 0.25] };
const EVERY_S = 0.28;
const TONE_S = 0.24;
/** What a browser lets a page sound after. */
const WAKING = ["pointerdown", "keydown"];
/** What the test button plays, one a press. */
const TESTED = ["CRITICAL", "HIGH", "MEDIUM", "technical"];

/** @type {AudioContext | null} */
let audio = null;
let on = false;
let urgent = false;
let technicalOn = localStorage.getItem("telara.sound.technical") !== "off";
/** What sounds now, and until when by the clock of `audio`. @type {{what: string, until: number, tones: OscillatorNode[]}} */
let playing = { what: "", until: 0, tones: [] };
let tested = -1;

/** The order of urgency: severities, then the connection, then sensors. @param {string} what */
const urgency = (what) => (what === "technical" ? 20 : what === "lost" ? 10 : rank(what));

const button = () => /** @type {HTMLButtonElement | null} */ (document.querySelector("#sound"));

/** @param {string} what a severity of a clinical alert, "technical", or "lost" for the connection */
export function sound(what) {
  if (!TONES[what] || !on || (what === "technical" && !technicalOn)) return;
  play(what);
}

/** @param {string} what */
function play(what) {
  if (!audio) return;
  if (audio.currentTime < playing.until) {
    if (urgency(what) >= urgency(playing.what)) return;
    for (const tone of playing.tones) tone.stop();
  }
  const [hertz, times, loudness] = TONES[what];
  const tones = [];
  for (let n = 0; n < times; n += 1) tones.push(tone(audio, hertz, loudness, audio.currentTime + n * EVERY_S));
  playing = { what, until: audio.currentTime + (times - 1) * EVERY_S + TONE_S, tones };
}

/** @param {AudioContext} by @param {number} hertz @param {number} loudness @param {number} start */
function tone(by, hertz, loudness, start) {
  const oscillator = by.createOscillator();
  const volume = by.createGain();
  oscillator.frequency.value = hertz;
  volume.gain.setValueAtTime(0.0001, start);
  volume.gain.exponentialRampToValueAtTime(loudness, start + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.22);
  oscillator.connect(volume).connect(by.destination);
  oscillator.start(start);
  oscillator.stop(start + TONE_S);
  return oscillator;
}

/** While a CRITICAL waits, silence is shown in amber. @param {boolean} criticalWaits */
export function soundMatters(criticalWaits) {
  urgent = criticalWaits;
  show();
}

function unlock() {
  audio ??= new AudioContext();
  return audio.resume();
}

/** @param {boolean} wanted */
function turn(wanted) {
  for (const name of WAKING) removeEventListener(name, back);
  on = wanted;
  localStorage.setItem("telara.sound", on ? "on" : "off");
  show();
}

function toggle() {
  turn(!on);
  if (!on) return;
  void unlock();
  sound("MEDIUM");
}

/** What was on comes back at once where the browser lets this page sound: whoever came by a link has clicked before. */
function resume() {
  audio = new AudioContext();
  audio.addEventListener("statechange", () => {
    if (audio?.state === "running" && localStorage.getItem("telara.sound") === "on") turn(true);
  });
  for (const name of WAKING) addEventListener(name, back);
}

/** What was on comes back with the first click or key; what befalls the switch itself is the switch's to answer. @param {Event} event */
function back(event) {
  if (!button()?.contains(/** @type {Node | null} */ (event.target))) toggle();
}

/** Plays the next tone, whether sound is on or not, and says which it was. @param {Event} event */
function test(event) {
  const element = event.target instanceof Element ? event.target.closest("[data-sound-test]") : null;
  if (!element) return;
  tested = (tested + 1) % TESTED.length;
  const what = TESTED[tested];
  void unlock();
  for (const each of playing.tones) each.stop();
  playing = { what: "", until: 0, tones: [] };
  play(what);
  element.textContent = `Test sound: ${what}${on ? "" : ", sound is off"}`;
}

/** The switch for the tone of technical alerts alone: it stands in their list, which comes anew with each snapshot. */
export function showTechnicalSound() {
  const element = /** @type {HTMLButtonElement | null} */ (document.querySelector("[data-technical-sound]"));
  if (!element) return;
  element.hidden = false;
  element.setAttribute("aria-pressed", String(technicalOn));
  element.title = `Tone of technical alerts ${technicalOn ? "on" : "off"}`;
  element.innerHTML = `<svg class="icon" aria-hidden="true"><use href="#i-${technicalOn ? "sound" : "muted"}" /></svg><span class="sr-only">Tone of technical alerts</span>`;
}

/** @param {Event} event */
function toggleTechnical(event) {
  if (!(event.target instanceof Element) || !event.target.closest("[data-technical-sound]")) return;
  technicalOn = !technicalOn;
  localStorage.setItem("telara.sound.technical", technicalOn ? "on" : "off");
  sound("technical");
  showTechnicalSound();
}

function show() {
  const element = button();
  if (!element) return;
  element.hidden = false;
  element.classList.toggle("warn", !on && urgent);
  element.setAttribute("aria-pressed", String(on));
  element.setAttribute("aria-label", `Sound ${on ? "on" : "off"}`);
  const icon = `<svg class="icon" aria-hidden="true"><use href="#i-${on ? "sound" : "muted"}" /></svg>`;
  element.innerHTML = `${icon}<span class="sound-word">Sound ${on ? "on" : "off"}</span>`;
}

/** Shows the switch; a sound that was on comes back, at the latest with the first click or key. */
export function startSound() {
  button()?.addEventListener("click", toggle);
  document.addEventListener("click", toggleTechnical);
  document.addEventListener("click", test);
  key("m", "sound on, off", toggle);
  if (localStorage.getItem("telara.sound") === "on") resume();
  show();
}
