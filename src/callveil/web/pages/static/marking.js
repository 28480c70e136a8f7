// Marking stretches of a call: rows of fields are what is sent, boxes over a waveform show and change them.
//
//   callveil.marking({ root, surface, duration, channels, now, play, seek })
//
// root: the [data-marking] of marking.html.j2. surface: a positioned element as long as the recording, or none; its
// height is shared by the channels, the first on top. duration: seconds. now(): seconds of the player. play(start, end),
// seek(seconds): what the player is to do. Returns { add({channel, start, end, kind}), list(), onChange(work) };
// channel "all" or none means all of them.

const LEAST = 0.02;
const SLOP = 4;  // pixels: less is a click
const EDGE = 8;  // pixels: nearer to an end than that moves the end

/** "1:23.45" */
function clock(seconds) {
  const hundredths = Math.round(seconds * 100);
  const rest = hundredths % 6000;
  const pad = (number) => String(number).padStart(2, "0");
  return `${Math.floor(hundredths / 6000)}:${pad(Math.floor(rest / 100))}.${pad(rest % 100)}`;
}

/** Seconds of "83.45" or "1:23.45"; NaN of anything else. */
function seconds(text) {
  const parts = /^(?:(?:(\d{1,2}):)?(\d{1,4}):)?(\d{1,6}(?:[.,]\d{1,6})?)$/.exec(text.trim());
  if (!parts) return NaN;
  return 3600 * Number(parts[1] ?? 0) + 60 * Number(parts[2] ?? 0) + Number(parts[3].replace(",", "."));
}

class Marking {
  constructor({ root, surface = null, duration = null, channels = 2, now = null, play = null, seek = null }) {
    Object.assign(this, { root, surface, duration, channels, now, play, seek });
    this.rows = root.querySelector("[data-rows-of-marks]");
    this.blank = root.querySelector("template");
    this.boxes = new Map();
    this.work = [];
    this.begun = null;
    for (const spare of this.rows.querySelectorAll("[data-spare]")) spare.remove();
    for (const row of this.rows.children) this.take(row);
    const more = root.querySelector("[data-add-mark]");
    more.hidden = false;
    more.addEventListener("click", () => {
      const at = this.now ? this.now() : 0;
      const row = this.add({ start: at, end: at + 1 });
      row.querySelector("[name=stretch_start]").focus();
    });
    if (surface) this.follow();
    this.keys();
    this.changed();
  }

  /** Mark a stretch; returns its row. */
  add({ channel = "all", start, end, kind = null }) {
    const row = this.blank.content.firstElementChild.cloneNode(true);
    const set = (name, value) => { row.querySelector(`[name=${name}]`).value = value; };
    if (this.channels > 1) set("stretch_channel", String(channel));
    // To hundredths, never shorter.
    set("stretch_start", clock(Math.floor(this.within(Math.min(start, end)) * 100 + 1e-6) / 100));
    set("stretch_end", clock(Math.ceil(this.within(Math.max(start, end, start + LEAST)) * 100 - 1e-6) / 100));
    if (kind) set("stretch_entity", kind);
    this.rows.append(row);
    this.take(row);
    this.choose(row);
    this.changed();
    return row;
  }

  /** What is marked: [{channel, start, end, kind}]; times may be NaN while somebody types. */
  list() {
    return [...this.rows.children].map((row) => this.of(row));
  }

  /** Call `work` whenever something changes. */
  onChange(work) {
    this.work.push(work);
  }

  of(row) {
    const value = (name) => row.querySelector(`[name=${name}]`).value;
    return { channel: value("stretch_channel"), start: seconds(value("stretch_start")), end: seconds(value("stretch_end")),
      kind: value("stretch_entity") };
  }

  within(at) {
    const most = this.duration ?? Infinity;
    return Math.min(Math.max(at, 0), most);
  }

  take(row) {
    row.addEventListener("input", () => this.changed());
    row.addEventListener("focusin", () => this.choose(row));
    const remove = row.querySelector("[data-remove]");
    remove.hidden = false;
    remove.addEventListener("click", () => this.remove(row));
    const hear = row.querySelector("[data-hear]");
    hear.hidden = !this.play;
    hear.addEventListener("click", () => {
      const { start, end } = this.of(row);
      if (end > start) this.play(start, end);
    });
    if (!this.surface) return;
    const box = document.createElement("div");
    box.className = "mark-box";
    box.setAttribute("aria-hidden", "true");
    this.surface.append(box);
    this.boxes.set(row, box);
  }

  remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    this.boxes.get(row)?.remove();
    this.boxes.delete(row);
    row.remove();
    (next?.querySelector("[data-remove]") ?? this.root.querySelector("[data-add-mark]")).focus();
    this.changed();
  }

  choose(row) {
    for (const each of this.rows.children) {
      each.classList.toggle("chosen", each === row);
      this.boxes.get(each)?.classList.toggle("chosen", each === row);
    }
  }

  changed() {
    [...this.rows.children].forEach((row, at) => {
      row.setAttribute("aria-label", `Mark ${at + 1}`);
      const { channel, start, end } = this.of(row);
      const box = this.boxes.get(row);
      for (const [name, wrong] of [["stretch_start", !(start >= 0)], ["stretch_end", !(end - start >= LEAST)]]) {
        const field = row.querySelector(`[name=${name}]`);
        if (wrong && field.value) field.setAttribute("aria-invalid", "true");
        else field.removeAttribute("aria-invalid");
      }
      if (box) this.place(box, channel, start, end);
    });
    this.root.querySelector("[data-no-marks]").hidden = this.rows.children.length > 0;
    for (const work of this.work) work(this.list());
  }

  place(box, channel, start, end) {
    box.hidden = !(end > start && this.duration > 0);
    if (box.hidden) return;
    const all = channel === "all" || this.channels === 1;
    box.style.left = `${(100 * start) / this.duration}%`;
    box.style.width = `${(100 * (Math.min(end, this.duration) - start)) / this.duration}%`;
    box.style.top = `${all ? 0 : (100 * Number(channel)) / this.channels}%`;
    box.style.height = `${all ? 100 : 100 / this.channels}%`;
  }

  // Dragging over the waveform makes a mark, or moves one or an end of it; a click seeks.
  follow() {
    const surface = this.surface;
    surface.dataset.marksHere = "";
    surface.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const drag = this.grab(event);
      surface.setPointerCapture(event.pointerId);
      const move = (moved) => drag.move(this.at(moved), Math.abs(moved.clientX - event.clientX) > SLOP);
      const end = (last) => {
        surface.removeEventListener("pointermove", move);
        drag.end(this.at(last), last.type === "pointerup");
      };
      surface.addEventListener("pointermove", move);
      surface.addEventListener("pointerup", end, { once: true });
      surface.addEventListener("pointercancel", end, { once: true });
      event.preventDefault();
    });
  }

  at(event) {
    const place = this.surface.getBoundingClientRect();
    return this.within((this.duration * (event.clientX - place.left)) / place.width);
  }

  grab(event) {
    const row = [...this.boxes].find(([, box]) => box === event.target)?.[0];
    return row ? this.old(row, event) : this.fresh(event);
  }

  fresh(event) {
    const place = this.surface.getBoundingClientRect();
    const lane = Math.floor((this.channels * (event.clientY - place.top)) / place.height);
    const channel = String(Math.min(Math.max(lane, 0), this.channels - 1));
    const first = this.at(event);
    const box = document.createElement("div");
    box.className = "mark-box fresh";
    let far = false;
    return {
      move: (at, isFar) => {
        far ||= isFar;
        if (!far) return;
        if (!box.isConnected) this.surface.append(box);
        this.place(box, channel, Math.min(first, at), Math.max(first, at));
      },
      end: (at, isUp) => {
        box.remove();
        if (isUp && far && Math.abs(at - first) >= LEAST) this.add({ channel, start: first, end: at });
        else if (isUp && !far) this.seek?.(first);
      },
    };
  }

  old(row, event) {
    const place = this.boxes.get(row).getBoundingClientRect();
    const { start, end } = this.of(row);
    const first = this.at(event);
    const wide = place.width > 3 * EDGE;
    const atStart = event.clientX - place.left < (wide ? EDGE : place.width / 3);
    const atEnd = place.right - event.clientX < (wide ? EDGE : place.width / 3);
    this.choose(row);
    let far = false;
    return {
      move: (at, isFar) => {
        far ||= isFar;
        if (!far) return;
        let [from, to] = [start, end];
        if (atStart) from = Math.min(at, end - LEAST);
        else if (atEnd) to = Math.max(at, start + LEAST);
        else {
          const by = Math.min(Math.max(at - first, -start), this.duration - end);
          [from, to] = [start + by, end + by];
        }
        row.querySelector("[name=stretch_start]").value = clock(this.within(from));
        row.querySelector("[name=stretch_end]").value = clock(this.within(to));
        this.changed();
      },
      end: (_, isUp) => {
        if (isUp && !far) this.seek?.(first);
        row.scrollIntoView({ block: "nearest" });
      },
    };
  }

  keys() {
    const { say, onKeys } = window.callveil;
    const chosen = () => this.rows.querySelector(".chosen");
    const remove = () => {
      if (!chosen()) return false;
      this.remove(chosen());
      return true;
    };
    onKeys({ Delete: remove });
    if (!this.now) return;
    onKeys({
      i: () => {
        this.begun = this.now();
        say(`A mark begins at ${clock(this.begun)}. Press O where it ends.`);
      },
      o: () => {
        if (this.begun === null) say("Press I where the mark begins.");
        else if (this.now() - this.begun < LEAST) say("The end has to come behind the start.", "warn");
        else {
          this.add({ start: this.begun, end: this.now() });
          say(`Marked up to ${clock(this.now())}, for both: change below who is meant and what it is.`);
          this.begun = null;
        }
      },
    });
  }
}

window.callveil.clock = clock;
window.callveil.marking = (options) => new Marking(options);
