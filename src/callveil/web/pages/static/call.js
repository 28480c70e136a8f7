// The page of a call: player, masks over the waveform, transcript that follows and seeks, marking.
// Needs base.js and marking.js before it; wavesurfer.js draws the waveform.

const { say, onKeys } = window.callveil;
const LANE = 72;  // pixels
const STEP = 5;  // seconds of J and L
const MOST_WIDTH = 30000;  // pixels
const QUIET = 0.03;  // of full scale: nobody else speaks there
const AROUND = 1;  // seconds that are heard before a place

const short = (seconds) => {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
};

class Player {
  constructor(root) {
    this.root = root;
    this.audio = root.querySelector("audio");
    this.duration = Number(root.dataset.duration);
    this.channels = Number(root.dataset.channels);
    this.masks = JSON.parse(root.dataset.masks);
    this.scroll = root.querySelector(".lanes-scroll");
    this.lanes = root.querySelector(".lanes");
    this.surface = root.querySelector(".surface");
    this.slider = root.querySelector("[data-seek]");
    this.playButton = root.querySelector("[data-play]");
    this.skip = root.querySelector("[data-skip]");
    this.zoom = 1;
    this.until = null;
    this.outline = null;
    this.listeners = [];
    this.lanes.style.height = `${LANE * this.channels}px`;
    this.audio.src = root.dataset.audio;
    this.drawMasks();
    this.wire();
    this.show();
    this.draw();
  }

  wire() {
    const { audio, root } = this;
    audio.addEventListener("error", () => say("The recording cannot be played. Load this page anew.", "bad"));
    audio.addEventListener("play", () => this.tick());
    for (const name of ["play", "pause", "ended", "seeked", "timeupdate"]) audio.addEventListener(name, () => this.show());
    this.playButton.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    root.querySelector("[data-speed]").addEventListener("change", (event) => {
      audio.defaultPlaybackRate = audio.playbackRate = Number(event.target.value);
    });
    root.querySelector("[data-next]").addEventListener("click", () => this.next());
    for (const button of root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.enlarge(Number(button.dataset.zoom)));
    }
    onKeys({
      " ": () => this.toggle(),
      k: () => this.toggle(),
      j: () => this.seek(this.now() - STEP),
      l: () => this.seek(this.now() + STEP),
      n: () => this.next(),
      s: () => this.skip.click(),
    });
  }

  now() { return this.audio.currentTime; }

  onMove(work) { this.listeners.push(work); }

  seek(at) {
    this.until = null;
    this.audio.currentTime = Math.min(Math.max(at, 0), this.duration);
    this.show();
  }

  start() {
    this.audio.play().catch((error) => {
      if (error.name !== "AbortError") say("The recording cannot be played. Load this page anew.", "bad");
    });
  }

  toggle() {
    this.until = null;
    if (this.audio.paused) this.start();
    else this.audio.pause();
  }

  /** Hear a stretch with a little before it. */
  play(start, end) {
    this.audio.currentTime = Math.max(0, start - AROUND);
    this.until = Math.min(end + AROUND / 2, this.duration);
    this.start();
  }

  next() {
    const next = this.masks.find((mask) => mask.start > this.now() + AROUND + 0.05) ?? this.masks[0];
    if (!next) return;
    this.seek(next.start - AROUND);
    say(`${next.words} at ${short(next.start)}`);
  }

  tick() {
    if (this.until !== null && this.now() >= this.until) {
      this.until = null;
      this.audio.pause();
    } else if (this.skip.checked && this.until === null) this.leap();
    this.show();
    if (!this.audio.paused) requestAnimationFrame(() => this.tick());
  }

  /** Go on behind a mask, unless somebody else speaks meanwhile. */
  leap() {
    const at = this.now();
    const mask = this.masks.find((each) => each.start <= at && at < each.end - 0.05);
    if (mask && this.othersAreQuiet(mask)) this.audio.currentTime = mask.end;
  }

  othersAreQuiet({ channel, start, end }) {
    if (!this.outline) return false;
    return this.outline.every((lane, number) => {
      if (number === channel) return true;
      const place = (at) => Math.floor((lane.length * at) / this.duration);
      return lane.slice(place(start), place(end) + 1).every((peak) => peak < QUIET);
    });
  }

  show() {
    const at = this.now();
    this.slider.value = at;
    this.slider.setAttribute("aria-valuetext", short(at));
    this.root.querySelector("[data-now]").textContent = short(at);
    const words = this.audio.paused ? "Play" : "Pause";
    if (this.playButton.textContent !== words) {
      this.playButton.textContent = words;
      this.playButton.setAttribute("aria-label", words);
    }
    for (const work of this.listeners) work(at);
    if (this.zoom === 1 || this.audio.paused) return;
    const place = (this.lanes.clientWidth * at) / this.duration;
    const [left, width] = [this.scroll.scrollLeft, this.scroll.clientWidth];
    if (place < left || place > left + width * 0.9) this.scroll.scrollLeft = place - width * 0.1;
  }

  enlarge(by) {
    const most = Math.max(1, Math.floor(MOST_WIDTH / Math.max(this.scroll.clientWidth, 1)));
    const middle = (this.scroll.scrollLeft + this.scroll.clientWidth / 2) / Math.max(this.lanes.clientWidth, 1);
    this.zoom = Math.min(Math.max(this.zoom * by, 1), most);
    this.lanes.style.width = `${100 * this.zoom}%`;
    this.scroll.scrollLeft = middle * this.lanes.clientWidth - this.scroll.clientWidth / 2;
  }

  drawMasks() {
    const place = this.root.querySelector(".mask-boxes");
    for (const mask of this.masks) {
      const box = document.createElement("i");
      box.className = `kind-${mask.colour}`;
      box.title = mask.words;
      box.style.left = `${(100 * mask.start) / this.duration}%`;
      box.style.width = `${(100 * (mask.end - mask.start)) / this.duration}%`;
      box.style.top = `${(100 * mask.channel) / this.channels}%`;
      box.style.height = `${100 / this.channels}%`;
      box.dataset.short = mask.words;
      place.append(box);
    }
  }

  async draw() {
    const answer = await fetch(this.root.dataset.outline, { cache: "no-store" });
    if (!answer.ok) throw new Error("no outline");
    this.outline = (await answer.json()).outline;
    const { default: WaveSurfer } = await import(document.getElementById("call-script").dataset.wavesurfer);
    const style = getComputedStyle(this.root);
    const colours = () => ({ waveColor: style.getPropertyValue("--wave").trim(),
      progressColor: style.getPropertyValue("--accent").trim(), cursorColor: style.getPropertyValue("--ink").trim() });
    this.wave = WaveSurfer.create({
      container: this.root.querySelector(".wave"),
      media: this.audio,
      peaks: this.outline,
      duration: this.duration,
      height: LANE,
      splitChannels: this.outline.map(() => ({})),
      normalize: true,
      interact: false,
      hideScrollbar: true,
      cspNonce: this.root.dataset.nonce,
      ...colours(),
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.wave.setOptions(colours()));
    this.root.dataset.ready = "";
  }
}

class Transcript {
  constructor(list, player) {
    this.list = list;
    this.player = player;
    this.items = [...list.querySelectorAll(".turn")];
    this.starts = this.items.map((item) => Number(item.dataset.start));
    this.turns = null;
    this.current = null;
    this.follow = document.querySelector("[data-follow]");
    list.addEventListener("click", (event) => this.clicked(event));
    player.onMove((at) => this.show(at));
    this.load();
  }

  /** Words with their times come after the page; a turn gets its own when it comes into sight. */
  async load() {
    const answer = await fetch(this.player.root.dataset.words, { cache: "no-store" });
    if (!answer.ok) return;
    this.turns = (await answer.json()).turns;
    const sight = new IntersectionObserver((seen) => {
      for (const each of seen) {
        if (!each.isIntersecting) continue;
        sight.unobserve(each.target);
        this.part(each.target);
      }
    }, { rootMargin: "300px" });
    for (const item of this.items) sight.observe(item);
    this.list.dataset.ready = "";
  }

  part(item) {
    const turn = this.turns?.[this.items.indexOf(item)];
    if (!turn || item.dataset.parted) return;
    item.dataset.parted = "1";
    const masks = [...item.querySelectorAll(".masked")];
    const words = turn.words.filter((word) => word.text).map((word) => {
      const place = word.entity ? (masks.shift() ?? document.createElement("span")) : document.createElement("span");
      if (!word.entity) place.textContent = word.text;
      place.classList.add("word");
      place.dataset.start = word.start_s;
      place.dataset.end = word.end_s;
      return place;
    });
    item.querySelector(".words").replaceChildren(...words.flatMap((word) => [word, " "]));
  }

  clicked(event) {
    const place = event.target.closest("[data-at], .word");
    if (!place || !window.getSelection().isCollapsed) return;
    this.player.seek(Number(place.dataset.at ?? place.dataset.start));
  }

  show(at) {
    let [low, high] = [0, this.starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= at + 0.05) low = middle + 1;
      else high = middle;
    }
    const item = this.items[low - 1] ?? null;
    if (item !== this.current) {
      this.current?.removeAttribute("aria-current");
      item?.setAttribute("aria-current", "true");
      this.current = item;
      if (item && this.follow.checked && !this.player.audio.paused) {
        const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
        item.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
      }
    }
    for (const word of this.list.querySelectorAll(".word.now")) word.classList.remove("now");
    for (const word of item?.querySelectorAll(".word") ?? []) {
      if (Number(word.dataset.start) <= at && at < Number(word.dataset.end)) word.classList.add("now");
    }
  }

  /** What is selected: a stretch per channel. */
  selected() {
    const selection = window.getSelection();
    if (selection.isCollapsed || !selection.rangeCount) return [];
    const found = new Map();
    for (const word of this.list.querySelectorAll(".word")) {
      if (!selection.containsNode(word, true)) continue;
      const channel = word.closest(".turn").dataset.channel;
      const [start, end] = [Number(word.dataset.start), Number(word.dataset.end)];
      const one = found.get(channel);
      if (one) Object.assign(one, { start: Math.min(one.start, start), end: Math.max(one.end, end) });
      else found.set(channel, { channel, start, end });
    }
    return [...found.values()];
  }
}

const root = document.querySelector("[data-player]");
const player = new Player(root);
const list = document.querySelector("[data-turns]");
const transcript = list && new Transcript(list, player);
const fields = document.querySelector("[data-marking]");
const marking = fields && window.callveil.marking({
  root: fields,
  surface: player.surface,
  duration: player.duration,
  channels: player.channels,
  now: () => player.now(),
  play: (start, end) => player.play(start, end),
  seek: (at) => player.seek(at),
});
if (!marking) {
  player.surface.addEventListener("click", (event) => {
    const place = player.surface.getBoundingClientRect();
    player.seek((player.duration * (event.clientX - place.left)) / place.width);
  });
}
const markWords = document.querySelector("[data-mark-words]");
if (markWords && transcript && marking) {
  const mark = () => {
    const stretches = transcript.selected();
    if (!stretches.length) return say("Select words of the transcript first.");
    for (const stretch of stretches) marking.add(stretch);
    window.getSelection().removeAllRanges();
    say("Marked: say below what it is, and send it.");
  };
  document.addEventListener("selectionchange", () => { markWords.disabled = !transcript.selected().length; });
  // Pressing the button must not end the selection.
  markWords.addEventListener("pointerdown", (event) => event.preventDefault());
  markWords.addEventListener("click", mark);
  onKeys({ m: mark });
}
