// Light or dark as the machine is set, or as somebody has chosen here before.
const root = document.documentElement;
const machine = matchMedia("(prefers-color-scheme: dark)");
function kept() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // Some browsers keep nothing.
  }
}
function paint() {
  root.dataset.theme = kept() ?? (machine.matches ? "dark" : "light");
}
function other() {
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    return; // Then it holds for this page.
  }
}
paint();
machine.addEventListener("change", paint);
addEventListener("DOMContentLoaded", () => document.getElementById("theme").addEventListener("click", other));
