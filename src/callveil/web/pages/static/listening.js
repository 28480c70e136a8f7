// The player of recordings that are not masked, places to hear, and marking where the page lets one mark.
// Needs base.js and marking.js before it. What it gets of the recording it holds in memory only.

const { say, onKeys, clock } = window.callveil;
const LANE = 80;  // pixels, as in listening.css
const MOST_WIDTH = 16000;  // of a canvas
const BEFORE = 1, AFTER = 0.5;  // seconds that are heard around a place

class Player {
  constructor(root, outline) {
    this.root = root;
    this.outline = outline.outline;
    this.duration = outline.duration_s;
    this.channels = outline.channels;
    this.audio = root.querySelector("audio");
    this.scroll = root.querySelector(".lanes-scroll");
    this.lanes = root.querySelector(".lanes");
    this.canvas = root.querySelector("canvas");
    this.zoom = 1;
    this.until = null;
    root.querySelector(".listening-wait").remove();
    root.querySelector(".lanes-frame").hidden = false;
    this.lanes.style.height = `${LANE * this.channels}px`;
    this.shade();
    this.audio.src = root.dataset.audio;
    this.audio.addEventListener("error", () => say("The recording cannot be played any more. Load this page anew.", "bad"));
    this.audio.addEventListener("play", () => this.tick());
    for (const name of ["seeked", "timeupdate", "pause"]) this.audio.addEventListener(name, () => this.show());
    root.querySelector("[data-speed]").addEventListener("change", (event) => {
      this.audio.defaultPlaybackRate = this.audio.playbackRate = Number(event.target.value);
    });
    for (const button of root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.enlarge(Number(button.dataset.zoom)));
    }
    new ResizeObserver(() => this.draw()).observe(this.scroll);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.draw();
    this.show();
  }

  now() { return this.audio.currentTime; }

  seek(at) {
    this.until = null;
    this.audio.currentTime = at;
    this.show();
  }

  /** Hear a stretch with a little around it. */
  play(start, end) {
    this.audio.currentTime = Math.max(0, start - BEFORE);
    this.until = Math.min(end + AFTER, this.duration);
    this.start();
  }

  start() {
    this.audio.play().catch(() => say("The recording cannot be played.", "bad"));
  }

  toggle() {
    this.until = null;
    if (this.audio.paused) this.start();
    else this.audio.pause();
  }

  tick() {
    this.show();
    if (this.until !== null && this.now() >= this.until) {
      this.until = null;
      this.audio.pause();
    }
    if (!this.audio.paused) requestAnimationFrame(() => this.tick());
  }

  show() {
    const head = this.root.querySelector(".playhead");
    head.style.left = `${(100 * this.now()) / this.duration}%`;
    this.root.querySelector("[data-clock]").textContent = clock(this.now());
    if (this.zoom === 1 || this.audio.paused) return;
    const at = (this.lanes.clientWidth * this.now()) / this.duration;
    const [left, width] = [this.scroll.scrollLeft, this.scroll.clientWidth];
    if (at < left || at > left + width * 0.9) this.scroll.scrollLeft = at - width * 0.1;
  }

  enlarge(by) {
    const most = Math.max(1, Math.floor(MOST_WIDTH / Math.max(this.scroll.clientWidth, 1)));
    const middle = (this.scroll.scrollLeft + this.scroll.clientWidth / 2) / Math.max(this.lanes.clientWidth, 1);
    this.zoom = Math.min(Math.max(this.zoom * by, 1), most);
    this.draw();
    this.scroll.scrollLeft = middle * this.lanes.clientWidth - this.scroll.clientWidth / 2;
  }

  draw() {
    const width = Math.max(1, Math.round(this.scroll.clientWidth * this.zoom));
    this.lanes.style.width = `${width}px`;
    const ratio = Math.min(window.devicePixelRatio || 1, MOST_WIDTH / width);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = LANE * this.channels * ratio;
    const pen = this.canvas.getContext("2d");
    const style = getComputedStyle(this.root);
    const loudest = Math.max(0.05, ...this.outline.map((each) => each.reduce((most, one) => Math.max(most, one), 0)));
    pen.scale(ratio, ratio);
    this.outline.forEach((lane, channel) => {
      const middle = LANE * (channel + 0.5);
      pen.fillStyle = style.getPropertyValue("--wave");
      for (let x = 0; x < width; x += 1) {
        const first = Math.floor((x * lane.length) / width);
        const last = Math.max(first + 1, Math.floor(((x + 1) * lane.length) / width));
        let most = 0;
        for (let at = first; at < last && at < lane.length; at += 1) most = Math.max(most, lane[at]);
        const tall = Math.max(1, (most / loudest) * (LANE - 8));
        pen.fillRect(x, middle - tall / 2, 1, tall);
      }
      if (channel) {
        pen.fillStyle = style.getPropertyValue("--line");
        pen.fillRect(0, LANE * channel, width, 1);
      }
    });
  }

  shade() {
    const place = this.root.querySelector(".lane-shades");
    for (const each of JSON.parse(this.root.dataset.stretches)) {
      const shade = document.createElement("i");
      shade.className = `kind-${each.colour}${each.reported ? " reported" : ""}`;
      shade.title = each.words;
      shade.style.left = `${(100 * each.start_s) / this.duration}%`;
      shade.style.width = `${(100 * (each.end_s - each.start_s)) / this.duration}%`;
      shade.style.top = `${(100 * each.channel) / this.channels}%`;
      shade.style.height = `${100 / this.channels}%`;
      place.append(shade);
    }
  }
}

async function open(root) {
  const answer = await fetch(root.dataset.outline, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (answer.ok) return new Player(root, await answer.json());
  let detail = "";
  try { detail = (await answer.json()).detail; } catch { /* not ours */ }
  throw new Error(detail);
}

/** Buttons beside places, and N for the next one. */
function follow(player, marking) {
  const places = [...document.querySelectorAll("[data-places] > li")];
  const of = (place) => ({ channel: place.dataset.channel, start: Number(place.dataset.start), end: Number(place.dataset.end),
    kind: place.dataset.kind });
  const hear = (place) => {
    for (const each of places) each.classList.toggle("now", each === place);
    const { start, end } = of(place);
    player.play(start, end);
  };
  for (const place of places) {
    const [listen, mark] = ["[data-hear-place]", "[data-mark-place]"].map((name) => place.querySelector(name));
    if (player && listen) {
      listen.hidden = false;
      listen.addEventListener("click", () => hear(place));
    }
    if (marking && mark) {
      mark.hidden = false;
      mark.addEventListener("click", () => {
        marking.add(of(place));
        say("Marked: see below.");
      });
    }
  }
  const all = document.querySelector("[data-mark-all]");
  if (all && marking) {
    all.hidden = false;
    all.addEventListener("click", () => {
      const marked = marking.list().map((each) => `${each.channel} ${clock(each.start)} ${each.kind}`);
      for (const place of places.filter((each) => each.querySelector("[data-mark-place]"))) {
        const one = of(place);
        if (!marked.includes(`${one.channel} ${clock(one.start)} ${one.kind}`)) marking.add(one);
      }
      say("All of them are marked: see below.");
    });
  }
  if (player && places.length) {
    onKeys({
      n: () => {
        const now = places.findIndex((each) => each.classList.contains("now"));
        hear(places[(now + 1) % places.length]);
      },
    });
  }
}

function mark(player, root) {
  const marking = root && window.callveil.marking({
    root,
    surface: player?.lanes ?? null,
    duration: player?.duration ?? null,
    channels: root.querySelector("template").content.querySelector("select[name=stretch_channel]") ? 2 : 1,
    now: player ? () => player.now() : null,
    play: player ? (start, end) => player.play(start, end) : null,
    seek: player ? (at) => player.seek(at) : null,
  });
  if (player && !marking) {
    player.lanes.addEventListener("click", (event) => {
      const place = player.lanes.getBoundingClientRect();
      player.seek((player.duration * (event.clientX - place.left)) / place.width);
    });
  }
  return marking;
}

const root = document.querySelector("[data-listening]");
const fields = document.querySelector("[data-marking]");
let player = null;
if (root) {
  try {
    player = await open(root);
    onKeys({
      " ": () => player.toggle(),
      k: () => player.toggle(),
      j: () => player.seek(Math.max(0, player.now() - 3)),
      l: () => player.seek(Math.min(player.duration, player.now() + 3)),
    });
    root.dataset.ready = "";
  } catch (error) {
    const words = document.createElement("p");
    words.className = "notice bad";
    words.textContent = error.message || "The recording cannot be opened. Load this page anew.";
    root.replaceChildren(words);
  }
}
follow(player, mark(player, fields));
