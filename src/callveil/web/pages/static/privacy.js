// An archive can be fetched once: after that the button has nothing to give.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-once]")) return;
  const button = event.target.querySelector("button");
  setTimeout(() => {
    button.disabled = true;
    button.textContent = "Fetched";
  });
});
