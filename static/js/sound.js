// Tones for new alerts, off until somebody switches them on; a browser lets a page sound only after a click or a key.

import { key } from "./keyboard.js";

/** Hertz, how often and how loud, by severity; what is not here is silent. The sensor has a voice of its own: one low,
 *  quiet tone, whatever the severity. @type {Record<string, [number, number, number]>} */
const TONES = { CRITICAL: [880, 3, 0.25], HIGH: [740, 2, 0.25], MEDIUM: [587, 1, 0.25], technical: [330, 1, 0.08], lost: [220, 2, 0.25] };

/** @type {AudioContext | null} */
let audio = null;
let on = false;
let urgent = false;
let technicalOn = localStorage.getItem("telara.sound.technical") !== "off";

const button = () => /** @type {HTMLButtonElement | null} */ (document.querySelector("#sound"));

/** @param {string} what a severity of a clinical alert, "technical", or "lost" for the connection */
export function sound(what) {
  const tone = TONES[what];
  if (!on || !audio || !tone || (what === "technical" && !technicalOn)) return;
  const [hertz, times, loudness] = tone;
  for (let n = 0; n < times; n += 1) {
    const start = audio.currentTime + n * 0.28;
    const oscillator = audio.createOscillator();
    const volume = audio.createGain();
    oscillator.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(loudness, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.22);
    oscillator.connect(volume).connect(audio.destination);
    oscillator.start(start);
    oscillator.stop(start + 0.24);
  }
}

/** While a CRITICAL waits, silence is shown in amber. @param {boolean} criticalWaits */
export function soundMatters(criticalWaits) {
  urgent = criticalWaits;
  show();
}

function toggle() {
  on = !on;
  localStorage.setItem("telara.sound", on ? "on" : "off");
  if (on) {
    audio ??= new AudioContext();
    audio.resume();
    sound("MEDIUM");
  }
  show();
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
  const icon = `<svg class="icon" aria-hidden="true"><use href="#i-${on ? "sound" : "muted"}" /></svg>`;
  element.innerHTML = `${icon}<span class="sound-word">Sound ${on ? "on" : "off"}</span>`;
}

/** Shows the switch; a sound that was on comes back with the first click or key. */
export function startSound() {
  button()?.addEventListener("click", toggle);
  document.addEventListener("click", toggleTechnical);
  key("m", "sound on, off", toggle);
  if (localStorage.getItem("telara.sound") === "on") {
    const back = () => {
      if (!on) toggle();
    };
    addEventListener("pointerdown", back, { once: true });
    addEventListener("keydown", back, { once: true });
  }
  show();
}
