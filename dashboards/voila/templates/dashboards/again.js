// A page whose lab does not come is loaded once more by itself. When the lab does not come then either, the page says so.
let watch = setTimeout(noLab, 180_000); // until all cells have run
const noLabCame = document.createElement("p");
noLabCame.setAttribute("role", "alert");
noLabCame.textContent = "The lab did not start. Reload the page. If that does not help, close other labs first.";

function noLab() {
  clearTimeout(watch);
  if (history.state?.loadedAgain) {
    document.getElementById("rendered_cells").before(noLabCame);
  } else {
    history.replaceState({ loadedAgain: true }, ""); // it outlives the reload
    location.reload();
  }
}

// Voilà gives the kernel of a page back when the page is left, but only after its own script has started.
function giveBack() {
  const { baseUrl, kernelId } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const form = new FormData();
  form.append("_xsrf", document.cookie.match("\\b_xsrf=([^;]*)")?.[1] ?? "");
  navigator.sendBeacon(`${baseUrl}voila/api/shutdown/${kernelId}`, form);
}

function cellsHaveRun() {
  clearTimeout(watch);
  const outputs = document.querySelectorAll('script[type="application/vnd.voila.cell-output+json"]');
  if ([...outputs].some((output) => output.textContent.includes("vnd.jupyter.widget-view"))) {
    watch = setTimeout(noLab, 60_000);
  } else {
    giveBack();
    noLab();
  }
}

new MutationObserver((_, observer) => {
  if (!document.querySelector(".wwil")) return;
  observer.disconnect();
  clearTimeout(watch);
  noLabCame.remove();
  history.replaceState(null, "");
}).observe(document, { childList: true, subtree: true });
