// What all pages share: times in the viewer's zone, dates of forms, keys, and words about what went wrong.
// Scripts of pages come after it and use `callveil`: say, onKeys, localTime, csrfHeaders.

const body = document.body;
const minutes = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const pad = (number, length = 2) => String(number).padStart(length, "0");
const dayOf = (date) => `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;

/** A moment as people read it, in the viewer's zone. */
function localTime(iso, how = "minute") {
  return (how === "day" ? days : minutes).format(new Date(iso));
}

// <time data-local>, <span data-zone>, and the inputs
//   <input type="date" data-day="start|end" data-at="2026-11-24T00:00:00Z">   sends the day's start, or the end of it
//   <input type="datetime-local" data-at="2026-11-24T10:00:00Z">              sends the moment
// which show the viewer's zone and send UTC. Without this script they show, and send, UTC.
function localise(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    time.textContent = localTime(time.dateTime, time.dataset.local);
    time.title = exact.format(new Date(time.dateTime));
    delete time.dataset.local;
  }
  for (const name of root.querySelectorAll("[data-zone]")) name.textContent = zone;
  for (const input of root.querySelectorAll("input[data-at]")) {
    if (!input.dataset.at || input.dataset.shown) continue;
    // The end of a day is the first moment of the next one.
    const at = new Date(Date.parse(input.dataset.at) - (input.dataset.day === "end" ? 1 : 0));
    const time = `T${pad(at.getHours())}:${pad(at.getMinutes())}`;
    input.value = input.defaultValue = input.dataset.shown = dayOf(at) + (input.type === "date" ? "" : time);
  }
}

function sent(input) {
  if (!input.value) return "";
  if (input.value === input.dataset.shown) return input.dataset.at;
  const at = new Date(input.type === "date" ? `${input.value}T00:00` : input.value);
  if (input.dataset.day === "end") at.setDate(at.getDate() + 1);
  return Number.isNaN(at.getTime()) ? input.value : at.toISOString();
}

document.addEventListener("formdata", (event) => {
  const form = event.target;
  for (const input of form.querySelectorAll("input[data-at][name]")) {
    if (!input.disabled) event.formData.set(input.name, sent(input));
  }
  if (form.method !== "get") return;
  // Fields that ask nothing stay out of the address.
  for (const [name, value] of [...event.formData]) {
    if (value === "" && event.formData.getAll(name).length === 1) event.formData.delete(name);
  }
});

let silence;

/** Say something at the foot of the page; tone: "", "good", "warn" or "bad". Bad things stay. */
function say(text, tone = "") {
  const place = document.getElementById("said");
  clearTimeout(silence);
  place.replaceChildren();
  if (!text) return;
  const words = document.createElement("p");
  words.className = `notice ${tone}`;
  words.textContent = text;
  const close = document.createElement("button");
  close.className = "quiet";
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => say(""));
  words.append(close);
  place.append(words);
  if (tone !== "bad") silence = setTimeout(() => say(""), 6000);
}

/** Headers that a fetch which changes something needs. */
function csrfHeaders() {
  return JSON.parse(body.getAttribute("hx-headers") || "{}");
}

// htmx: a page that says itself what is wrong is shown; other errors are said in words.
body.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (![409, 422].includes(xhr.status) || !xhr.getResponseHeader("content-type")?.startsWith("text/html")) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});
body.addEventListener("htmx:responseError", (event) => {
  let detail = "";
  try { detail = JSON.parse(event.detail.xhr.responseText).detail; } catch { /* not ours */ }
  say(detail || "That did not work. Try again in a moment.", "bad");
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  body.addEventListener(name, () => say("Callveil does not answer. Is the network there?", "bad"));
}
body.addEventListener("htmx:beforeRequest", () => say(""));
body.addEventListener("htmx:load", (event) => localise(event.detail.elt.parentElement ?? event.detail.elt));

// Keys. Who cannot use single keys turns them off (WCAG 2.1.4); that stays in this browser.
const KEYS_OFF = "callveil-keys-off";
const keys = new Map();

const keysAreOff = () => { try { return localStorage.getItem(KEYS_OFF) === "1"; } catch { return false; } };

/** Do something when keys are pressed outside of fields: onKeys({ j: () => ..., " ": () => ... }). */
function onKeys(map) {
  for (const [key, work] of Object.entries(map)) keys.set(key, work);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || keysAreOff()) return;
  const target = event.target;
  const isField = target.matches("input:not([type=checkbox], [type=radio], [type=range], [type=button]), select, textarea")
    || target.isContentEditable;
  const isPressed = event.key === " " && target.matches("button, a, summary, input, [role=button]");
  if (isField || isPressed || document.querySelector("dialog[open]")) return;
  const work = keys.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (work && work(event) !== false) event.preventDefault();
});

/** The next row of the list on the page, or the one before: what is focused in it is its first link. */
function step(by) {
  const links = [...document.querySelectorAll("[data-rows] tr a[data-row]")];
  if (!links.length) return false;
  const row = document.activeElement?.closest("tr");
  const now = links.findIndex((link) => link.closest("tr") === row);
  const next = now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(now + by, 0), links.length - 1);
  links[next].focus();
  links[next].closest("tr").scrollIntoView({ block: "nearest" });
  return true;
}

onKeys({
  "?": () => document.getElementById("keys")?.showModal(),
  "/": () => {
    const field = document.querySelector("[data-search]");
    if (!field) return false;
    field.focus();
    field.select?.();
    return true;
  },
});
if (document.querySelector("[data-rows]")) onKeys({ j: () => step(1), k: () => step(-1) });

const keysOn = document.getElementById("keys-on");
if (keysOn) {
  keysOn.checked = !keysAreOff();
  keysOn.addEventListener("change", () => {
    try { localStorage.setItem(KEYS_OFF, keysOn.checked ? "" : "1"); } catch { say("Not kept in this browser.", "warn"); }
  });
}

// <button type="button" data-opens="ID"> opens <dialog id="ID">; a click beside a dialog closes it.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  if (event.target instanceof HTMLDialogElement) {
    const box = event.target.getBoundingClientRect();
    const isInside = event.clientX >= box.left && event.clientX <= box.right
      && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!isInside) event.target.close();
  }
});

localise(document);
window.callveil = { say, onKeys, localTime, csrfHeaders };
