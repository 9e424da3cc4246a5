// Sorts the leaderboards by a column, and filters them by family, verdict and name.
const boards = [...document.querySelectorAll(".board")];
const collator = new Intl.Collator("en", { numeric: true });

function compareKeys(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "") || 0;
  return isNaN(a) || isNaN(b) ? collator.compare(a, b) : a - b;
}

function sort(board, heads, column) {
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head) => head.setAttribute("aria-sort", "none"));
  heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  const keyed = [...board.tBodies[0].rows].map((row) => [row.cells[column].dataset.key, row]);
  keyed.sort(([a], [b]) => (up || a === "" || b === "" ? compareKeys(a, b) : compareKeys(b, a)));
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
function fits(name, held, value) {
  return name === "name" ? held.toLowerCase().includes(value.toLowerCase()) : held === value;
}

function choose() {
  const wanted = [...new FormData(filter)].filter(([, value]) => value);
  for (const entry of document.querySelectorAll("[data-family]"))
    entry.hidden = wanted.some(([name, value]) => name in entry.dataset && !fits(name, entry.dataset[name], value));
  const rows = boards.flatMap((board) => [...board.tBodies[0].rows]).filter((row) => "verdict" in row.dataset);
  filter.querySelector("output").value = wanted.length
    ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} experiments` : "";
}
filter.hidden = false;
filter.addEventListener("input", choose);
filter.addEventListener("submit", (event) => event.preventDefault());
choose();
