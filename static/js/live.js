// The page's one connection to /ws/vitals, and whether what stands on the page may be trusted.
//
// states: "connecting" until the first heartbeat; "live"; "lost" after 10 s without one, or when nobody consumes;
// from "lost" back to "live" only after every handler of `onResync` has read a fresh snapshot; they read one after
// every other reconnection and where something was missed, too. Where that fails for 10 s it is lost.
// events: "vital", "alert", "planned" (activity of a person changed), "status" (detail: the data of the frame), "state"
// (detail: the new state).

import { now, synchronise } from "./clock.js";

/** @typedef {{lag: number | null, events_per_second: number | null, alerts_open: number | null, alerts_firing: number | null,
 *   alerts_revision: number | null, delay_p99_s: number | null, consumers: number | null, evaluated_at: string | null,
 *   heard_at: string | null, worker_at: string | null, server_time: string, database_ms: number | null}} Status */
/** @typedef {"connecting" | "live" | "lost"} State */

const SILENCE_MS = 10_000;
const LONGEST_WAIT_MS = 15_000;
const TOO_MANY = 4429;
const CLOSED_FOR_GOOD = new Map([[4401, "signed out"], [4403, "not allowed"]]);

export class Live extends EventTarget {
  /** @param {string} [userId] narrows the readings to one wearer; alerts are of everybody, as on every page */
  constructor(userId = "") {
    super();
    /** @type {State} */
    this.state = "connecting";
    /** Why it was lost: "silence", "no consumer", "no database", "no snapshot", "signed out", "not allowed", "too many". */
    this.reason = "";
    /** When a consumer last said that it lives, by the server's clock: the page is as of then. */
    this.heardAt = now();
    /** When the last heartbeat came. */
    this._beatAt = now();
    /** Time of the newest reading that came, by the server's clock; 0 before one did. */
    this.newestAt = 0;
    this.attempt = 0;
    this.nextTryAt = 0;
    /** @type {Status | null} */
    this.status = null;
    this._userId = userId;
    /** @type {WebSocket | null} */
    this._socket = null;
    /** @type {Array<(how: {anew: boolean}) => Promise<void>>} */
    this._resyncs = [];
    this._resyncing = false;
    /** Whether a connection ended since the snapshot was read: what came meanwhile is not on the page. */
    this._missed = false;
    /** Whether something else is not on the page. */
    this._differs = false;
    /** Since when no snapshot can be read; 0 while it can. */
    this._failsSince = 0;
    this._retry = 0;
  }

  start() {
    this._connect();
    setInterval(() => this._watch(), 500);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this._wake();
    });
    addEventListener("online", () => this.tryNow());
    addEventListener("pagehide", () => this._drop());
    addEventListener("pageshow", (event) => {
      if (event.persisted) this._wake();
    });
  }

  /** Reads the snapshot again when the connection comes back or the page wakes (`anew`), and where something was missed.
   *  @param {(how: {anew: boolean}) => Promise<void>} handler */
  onResync(handler) {
    this._resyncs.push(handler);
  }

  /** Something is not on the page, though the connection stands: the next heartbeat reads the snapshot again. */
  differs() {
    this._differs = true;
  }

  tryNow() {
    if (this.state === "live" || CLOSED_FOR_GOOD.has(this._closed ?? 0)) return;
    this._drop();
    this._connect();
  }

  _connect() {
    clearTimeout(this._retry);
    this.nextTryAt = 0;
    const query = this._userId ? `?user_id=${encodeURIComponent(this._userId)}&alerts=all` : "";
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/vitals${query}`;
    const socket = new WebSocket(url);
    this._socket = socket;
    socket.addEventListener("message", (event) => this._frame(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => {
      if (socket === this._socket) this._ended(event.code);
    });
  }

  _drop() {
    const socket = this._socket;
    this._socket = null;
    this._missed = true;
    socket?.close();
  }

  /** @param {number} code */
  _ended(code) {
    this._socket = null;
    this._missed = true;
    this._closed = code;
    const reason = CLOSED_FOR_GOOD.get(code);
    if (reason) {
      this._lose(reason);
      return;
    }
    if (code === TOO_MANY) this._lose("too many");
    this._later();
  }

  _later() {
    this.attempt += 1;
    const longest = Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.attempt);
    const wait = longest * (0.5 + Math.random() / 2);
    this.nextTryAt = now() + wait;
    clearTimeout(this._retry);
    this._retry = setTimeout(() => this._connect(), wait);
  }

  /** @param {{type: "vital" | "alert" | "planned" | "status", seq: number, data: any}} frame */
  _frame(frame) {
    if (frame.type === "status") this._heard(frame.data);
    if (frame.type === "vital") this.newestAt = Math.max(this.newestAt, Math.min(Date.parse(frame.data.timestamp), now())); // a watch may be ahead
    this.dispatchEvent(new CustomEvent(frame.type, { detail: frame.data }));
  }

  /** @param {Status} status */
  _heard(status) {
    synchronise(status.server_time);
    this.status = status;
    this.attempt = 0;
    if (!status.consumers) {
      if (status.heard_at) this.heardAt = Date.parse(status.heard_at);
      if (status.consumers === 0) this._lose("no consumer");
      else if (this.state === "lost") this._lose("no database");
      return;
    }
    if (!this._failsSince) this.heardAt = Date.parse(status.heard_at ?? status.server_time);
    this._beatAt = now();
    if (this.state === "lost" || this._missed || this._differs) this._resync();
    else if (this.state === "connecting") this._become("live");
  }

  _watch() {
    if (this._failsSince && now() - this._failsSince >= SILENCE_MS) this._lose("no snapshot");
    if (now() - this._beatAt < SILENCE_MS) return;
    if (this.state !== "lost") this._lose(this.status?.consumers === null ? "no database" : "silence");
    const heardSocket = this.status ? now() - Date.parse(this.status.server_time) : Infinity;
    if (this._socket?.readyState === WebSocket.OPEN && heardSocket > SILENCE_MS) {
      this.status = null;
      this._drop();
      this._lose("silence");
      this._later();
    }
  }

  /** @param {string} reason */
  _lose(reason) {
    if (this.state === "lost" && this.reason === reason) return;
    this.reason = reason;
    this._become("lost");
  }

  async _resync() {
    if (this._resyncing) return;
    const anew = this._missed || this.state === "lost";
    this._resyncing = true;
    this._missed = false;
    this._differs = false;
    try {
      await Promise.all(this._resyncs.map((handler) => handler({ anew })));
      this._failsSince = 0;
      if (now() - this._beatAt < SILENCE_MS) this._become("live");
    } catch (error) {
      this._missed = true;
      this._failsSince ||= now();
      console.warn("The snapshot could not be read; the next heartbeat tries again.", error);
    } finally {
      this._resyncing = false;
    }
  }

  _wake() {
    this._watch();
    if (!this._socket && !CLOSED_FOR_GOOD.has(this._closed ?? 0)) this._connect();
    else if (this.state === "live") {
      this._missed = true; // whoever sleeps hears little
      this._resync();
    }
  }

  /** @param {State} state */
  _become(state) {
    if (state === "live") this.reason = "";
    this.state = state;
    document.documentElement.dataset.connection = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

/** The connection of this page. `<body data-live-user="ID">` narrows its readings to one wearer, `data-live="off"` does without. */
export const live = new Live(document.body.dataset.liveUser ?? "");
