// Explains a verdict where it is printed: what the word means, and why it was given.
const dialog = document.querySelector("dialog");

function element(tag, content, name = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...[content].flat());
  return made;
}

function copy(node) {
  const made = node.cloneNode(true);
  for (const one of [made, ...made.querySelectorAll("[id]")]) one.removeAttribute("id");
  return [...made.childNodes];
}

function explain(link) {
  const id = decodeURIComponent(link.hash.slice(1)), [experiment] = id.split(":"), found = document.getElementById(id);
  const name = document.getElementById(experiment).closest("details").querySelector("h3").textContent;
  const kind = [...link.classList].find((one) => document.querySelector(`[data-meaning="${one}"]`));
  const answer = dialog.querySelector(".answer");
  const title = element("h2", name);
  title.id = "answer";
  title.tabIndex = -1;
  answer.replaceChildren(title);
  if (found.matches("tr")) {
    const [attack, verdict, gain, reason] = found.cells;
    answer.append(element("p", [...copy(attack), ": ", ...copy(verdict), ", gain ", ...copy(gain)]), element("p", copy(reason)));
  } else answer.append(...copy(found));
  if (kind) answer.append(element("p", copy(document.querySelector(`[data-meaning="${kind}"]`)), "muted"));
  const more = element("a", "The controls, all numbers and their command");
  more.href = found.matches("tr") ? `#${id.replace(":verdict.", ":")}.gain` : `#${experiment}`;
  answer.append(element("p", more));
  answer.querySelectorAll(".csv").forEach((button) => button.remove());
  dialog.showModal();
  title.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.why");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  explain(link);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("a, .close")) dialog.close();
});
