// The list of calls: the form says what is chosen, closes what was opened, and keys turn pages.

const { onKeys } = window.callveil;
const choices = document.querySelector(".choices");
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const since = document.getElementById("since");
const until = document.getElementById("until");

function inWords(choice) {
  if (choice.dataset.choice === "days") {
    const [from, to] = [since.value, until.value].map((text) => (text ? day.format(new Date(`${text}T00:00`)) : ""));
    if (from && from === to) return [from];
    if (from && to) return [`${from} – ${to}`];
    return from ? [`from ${from}`] : to ? [`to ${to}`] : [];
  }
  if (choice.dataset.choice === "agent") return [choice.querySelector("input").value].filter(Boolean);
  return [...choice.querySelectorAll("input:checked")].map((input) => input.closest("label").textContent.trim());
}

function show(choice) {
  const words = inWords(choice);
  const place = choice.querySelector("summary b");
  place.textContent = words.length ? words[0] + (words.length > 1 ? ` +${words.length - 1}` : "") : "any";
  place.classList.toggle("any", !words.length);
}

const all = [...choices.querySelectorAll(".choice")];
all.forEach(show);
choices.addEventListener("change", (event) => show(event.target.closest(".choice")));

const localDay = (date) => [String(date.getFullYear()).padStart(4, "0"), date.getMonth() + 1, date.getDate()]
  .map((part) => String(part).padStart(2, "0")).join("-");

choices.querySelector("[data-presets]").hidden = false;
choices.addEventListener("click", (event) => {
  const preset = event.target.closest("[data-days]");
  if (!preset) return;
  const first = new Date();
  first.setDate(first.getDate() - (Number(preset.dataset.days) - 1));
  since.value = preset.dataset.days ? localDay(first) : "";
  until.value = "";
  since.dispatchEvent(new Event("change", { bubbles: true }));
});

// A click elsewhere, Escape, or the focus going elsewhere closes what is open.
const close = (except) => all.forEach((choice) => { if (choice !== except) choice.open = false; });
document.addEventListener("click", (event) => close(event.target.closest(".choice")));
choices.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !event.relatedTarget.closest(".choice[open]")) close();
});
document.addEventListener("keydown", (event) => {
  const open = all.find((choice) => choice.open);
  if (event.key !== "Escape" || !open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
document.getElementById("search").addEventListener("submit", () => close());

const turn = (id) => {
  const link = document.getElementById(id);
  if (!link?.hasAttribute("href")) return false;
  link.click();
  return true;
};
onKeys({ n: () => turn("page-after"), p: () => turn("page-before") });
