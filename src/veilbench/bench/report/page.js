"use strict";
const boards = [...document.querySelectorAll(".board")];
const collator = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "") || 0;
  return isNaN(a) || isNaN(b) ? collator.compare(a, b) : a - b;
}

function sort(board, heads, column) {
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head) => head.setAttribute("aria-sort", "none"));
  heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  const keyed = [...board.tBodies[0].rows].map((row) => [row.cells[column].dataset.key, row]);
  keyed.sort(([a], [b]) => (up || a === "" || b === "" ? compare(a, b) : compare(b, a)));
  board.tBodies[0].append(...keyed.map(([, row]) => row));
}

for (const board of boards) {
  const heads = [...board.querySelectorAll("th[aria-sort]")];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(board, heads, column));
    head.append(button);
  });
}

const filter = document.querySelector(".filter");
function choose() {
  const wanted = [...new FormData(filter)].filter(([, value]) => value);
  for (const entry of document.querySelectorAll("[data-family]"))
    entry.hidden = wanted.some(([name, value]) => name in entry.dataset && entry.dataset[name] !== value);
  const rows = boards.flatMap((board) => [...board.tBodies[0].rows]).filter((row) => "verdict" in row.dataset);
  filter.querySelector("output").value = wanted.length
    ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} experiments` : "";
}
filter.hidden = false;
filter.addEventListener("change", choose);
choose();

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target?.closest("details");
  if (!details) return;
  details.open = true;
  details.scrollIntoView();
}
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.dataset.svg), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  packed.outerHTML = await new Response(stream).text();
}

// A section's figures when it is opened; the rest once the page is shown, so that it can be printed and searched.
const unpackAll = (root) => Promise.all([...root.querySelectorAll(".packed")].map(unpack));
for (const section of document.querySelectorAll(".experiment"))
  section.addEventListener("toggle", () => unpackAll(section));
addEventListener("load", () => setTimeout(() => unpackAll(document), 500));
addEventListener("hashchange", reveal);
reveal();
addEventListener("beforeprint", () => document.querySelectorAll(".experiment").forEach((d) => (d.open = true)));
